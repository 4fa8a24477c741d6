/*
 * rseq_section_x86_64.h - the sections for x86-64. Contract: rseq_section.h.
 *
 * The result travels in the zero flag (an "=@ccnz" output): gcc 12 miscompiles
 * `asm goto` with outputs (GCC PR 113921), and a flag costs no register. Every
 * way out sets it: 1 = not done, 0 = done; mov and lea leave it alone.
 *
 * (word,w) would save the addq, but is read with a base register alone: that is
 * how the CPU forwards the last store to it without waiting (a pair takes 3.3
 * instead of 3.7 ns on Sapphire Rapids).
 *
 * Local labels: 1 first instruction, 2 end (after the commit), 3 descriptor,
 * 4 abort handler, 5 common exit. The abort handler lies out of line, behind
 * the signature, which is dressed up as the operand of a ud1 so that a
 * disassembler stays in step.
 */
#ifndef PCM_RSEQ_SECTION_X86_64_H
#define PCM_RSEQ_SECTION_X86_64_H

#define PCM_STRINGIFY_(x) #x
#define PCM_STRINGIFY(x) PCM_STRINGIFY_(x)

/*
 * struct rseq_cs { u32 version, flags; u64 start, length, abort; }, aligned to
 * 32. __rseq_cs_ptr_array lists the descriptors and __rseq_exit_point_array
 * the ways out, for debuggers that step over sections as a whole.
 */
#define PCM_RSEQ_DESCRIPTOR                                               \
	".pushsection __rseq_cs, \"aw\", @progbits\n\t"                   \
	".balign 32\n"                                                    \
	"3:\n\t"                                                          \
	".long 0, 0\n\t"                                                  \
	".quad 1f, 2f - 1f, 4f\n\t"                                       \
	".popsection\n\t"                                                 \
	".pushsection __rseq_cs_ptr_array, \"aw\", @progbits\n\t"         \
	".quad 3b\n\t"                                                    \
	".popsection\n\t"                                                 \
	".pushsection __rseq_exit_point_array, \"aw\", @progbits\n\t"     \
	".quad 1f, 5f\n\t"                                                \
	".popsection\n\t"

/*
 * Enter: rseq_cs = &descriptor; not registered -> the abort handler. rseq_cs is
 * read back: if the thread came here unregistered, and a signal handler at 1
 * registered it, rseq_cs was cleared, and what follows would run unprotected
 * although cpu_id is good. In this order: the other way round the window moves.
 */
#define PCM_RSEQ_ENTER                                                    \
	"leaq	3b(%%rip), %[w]\n\t" /* w = &descriptor */                \
	"movq	%[w], 8(%[area])\n"  /* area->rseq_cs = w */              \
	"1:\n\t"                                                          \
	"cmpl	$0, 4(%[area])\n\t" /* area->cpu_id < 0: */               \
	"jl	4f\n\t"		    /*   not registered */                \
	"cmpq	%[w], 8(%[area])\n\t" /* area->rseq_cs != w: */           \
	"jne	4f\n\t"		      /*   registered since 1 */           \
	"movl	(%[area],%[field]), %k[w]\n\t" /* w = index */            \
	"movq	(%[table],%[w],8), %[w]\n\t"   /* w = table[index] */

/* Leave: end of the section, and out of line the abort handler. */
#define PCM_RSEQ_LEAVE                                                    \
	"2:\n"                                                            \
	"5:\n\t"                                                          \
	".pushsection .text.pcm_rseq_abort, \"ax\", @progbits\n\t"        \
	".byte 0x0f, 0xb9, 0x3d\n\t" /* ud1 SIG(%rip), %edi */            \
	".long " PCM_STRINGIFY(0x53053053) "\n"                           \
	"4:\n\t"                                                          \
	"xorl	%k[w], %k[w]\n\t" /* zero flag: not done */               \
	"jmp	5b\n\t"                                                   \
	".popsection\n\t"

_Static_assert(PCM_RSEQ_SIG == 0x53053053u, "spelt out in PCM_RSEQ_LEAVE");
_Static_assert(PCM_STACK_GUARD == UINTPTR_MAX, "spelt out as -1");

/*
 * pcm_rseq_pop() - take the top pointer of the current index's stack.
 *
 * Returns true with *obj set, or false: empty, dummy, aborted, or the thread
 * is not registered; *obj is then undefined.
 */
PCM_ALWAYS_INLINE bool
pcm_rseq_pop(struct pcm_rseq_area *area, const void *word,
	     const pcm_rseq_distance *table, void **obj)
{
	uintptr_t w, top;
	void *o;
	bool done;

	__asm__ volatile(PCM_RSEQ_DESCRIPTOR
			 PCM_RSEQ_ENTER
			 "addq	%[word], %[w]\n\t"	/* w += word */
			 "movq	(%[w]), %[top]\n\t"	/* top = *w */
			 "movq	-8(%[top]), %[obj]\n\t"	    /* obj = top[-1] */
			 "testq	%[obj], %[obj]\n\t"	    /* 0: empty */
			 "jz	5f\n\t"
			 "subq	$8, %[top]\n\t" /* top - 1 > 0: flag clear */
			 "movq	%[top], (%[w])\n" /* commit */
			 PCM_RSEQ_LEAVE
			 : [w] "=&r"(w), [top] "=&r"(top), [obj] "=&r"(o),
			   "=@ccnz"(done)
			 : [area] "r"(area), [word] "r"(word),
			   [table] "r"(table), [field] "r"(pcm_rseq_index_field)
			 : "memory");
	*obj = o;
	return done;
}

/*
 * pcm_rseq_push() - put a pointer on the current index's stack.
 *
 * Returns true, or false with nothing changed: full, dummy, aborted, or the
 * thread is not registered.
 */
PCM_ALWAYS_INLINE bool
pcm_rseq_push(struct pcm_rseq_area *area, const void *word,
	      const pcm_rseq_distance *table, void *obj)
{
	uintptr_t w, top;
	bool done;

	__asm__ volatile(PCM_RSEQ_DESCRIPTOR
			 PCM_RSEQ_ENTER
			 "addq	%[word], %[w]\n\t"	/* w += word */
			 "movq	(%[w]), %[top]\n\t"	/* top = *w */
			 "cmpq	$-1, (%[top])\n\t" /* the guard: full */
			 "je	5f\n\t"
			 "movq	%[obj], (%[top])\n\t" /* *top = obj */
			 "addq	$8, %[top]\n\t" /* top + 1 > 0: flag clear */
			 "movq	%[top], (%[w])\n" /* commit */
			 PCM_RSEQ_LEAVE
			 : [w] "=&r"(w), [top] "=&r"(top), "=@ccnz"(done)
			 : [area] "r"(area), [word] "r"(word),
			   [table] "r"(table),
			   [field] "r"(pcm_rseq_index_field), [obj] "r"(obj)
			 : "memory");
	return done;
}

/*
 * pcm_rseq_exchange() - put `new` into the current index's word.
 *
 * Returns true with *old = the word's former value, or false with nothing
 * changed: the index leads to the dummy, aborted, or not registered.
 */
PCM_ALWAYS_INLINE bool
pcm_rseq_exchange(struct pcm_rseq_area *area, const void *word,
		  const pcm_rseq_distance *table, void *new, void **old)
{
	uintptr_t w;
	void *o;
	bool done;

	__asm__ volatile(PCM_RSEQ_DESCRIPTOR
			 PCM_RSEQ_ENTER
			 "testq	%[w], %[w]\n\t" /* 0: the dummy */
			 "jz	5f\n\t"
			 "movq	(%[word],%[w]), %[old]\n\t" /* old = *w */
			 "movq	%[new], (%[word],%[w])\n"   /* commit */
			 PCM_RSEQ_LEAVE
			 : [w] "=&r"(w), [old] "=&r"(o), "=@ccnz"(done)
			 : [area] "r"(area), [word] "r"(word),
			   [table] "r"(table),
			   [field] "r"(pcm_rseq_index_field), [new] "r"(new)
			 : "memory");
	*old = o;
	return done;
}

/*
 * Commit a pair of words, 16-byte aligned: a single instruction, so that the kernel
 * finds both stored or none. Vector instructions leave the flags alone.
 */
#define PCM_RSEQ_COMMIT_PAIR(first, second)                               \
	"movq	" first ", %%xmm0\n\t"                                    \
	"movq	" second ", %%xmm1\n\t"                                   \
	"punpcklqdq	%%xmm1, %%xmm0\n\t"                              \
	"movaps	%%xmm0, (%[w])\n"

/*
 * pcm_rseq_pop_spare() - the current index's first word is that of an empty stack:
 * it changes places with the second, whose top pointer is taken.
 *
 * Returns true with *obj set, or false with nothing changed: the first is not empty,
 * or the second is, and otherwise as pop.
 */
PCM_ALWAYS_INLINE bool
pcm_rseq_pop_spare(struct pcm_rseq_area *area, const void *words,
		   const pcm_rseq_distance *table, void **obj)
{
	uintptr_t w, top, spare;
	void *o;
	bool done;

	__asm__ volatile(PCM_RSEQ_DESCRIPTOR
			 PCM_RSEQ_ENTER
			 "addq	%[words], %[w]\n\t"	/* w += words */
			 "movq	(%[w]), %[top]\n\t"	/* top = w[0] */
			 "cmpq	$0, -8(%[top])\n\t"	/* not empty */
			 "jne	4f\n\t"
			 "movq	8(%[w]), %[spare]\n\t"	/* spare = w[1] */
			 "movq	-8(%[spare]), %[obj]\n\t" /* obj = spare[-1] */
			 "testq	%[obj], %[obj]\n\t"	    /* 0: empty */
			 "jz	5f\n\t"
			 "subq	$8, %[spare]\n\t" /* > 0: flag clear */
			 PCM_RSEQ_COMMIT_PAIR("%[spare]", "%[top]")
			 PCM_RSEQ_LEAVE
			 : [w] "=&r"(w), [top] "=&r"(top),
			   [spare] "=&r"(spare), [obj] "=&r"(o), "=@ccnz"(done)
			 : [area] "r"(area), [words] "r"(words),
			   [table] "r"(table), [field] "r"(pcm_rseq_index_field)
			 : "memory", "xmm0", "xmm1");
	*obj = o;
	return done;
}

/*
 * pcm_rseq_push_spare() - the current index's first word is that of a full stack: it
 * changes places with the second, which gets the pointer.
 *
 * Returns true, or false with nothing changed: the first is not full, or the second
 * is, and otherwise as push.
 */
PCM_ALWAYS_INLINE bool
pcm_rseq_push_spare(struct pcm_rseq_area *area, const void *words,
		    const pcm_rseq_distance *table, void *obj)
{
	uintptr_t w, top, spare;
	bool done;

	__asm__ volatile(PCM_RSEQ_DESCRIPTOR
			 PCM_RSEQ_ENTER
			 "addq	%[words], %[w]\n\t"	/* w += words */
			 "movq	(%[w]), %[top]\n\t"	/* top = w[0] */
			 "cmpq	$-1, (%[top])\n\t"	/* no guard: not full */
			 "jne	4f\n\t"
			 "movq	8(%[w]), %[spare]\n\t" /* spare = w[1] */
			 "cmpq	$-1, (%[spare])\n\t"	/* the guard: full */
			 "je	5f\n\t"
			 "movq	%[obj], (%[spare])\n\t" /* *spare = obj */
			 "addq	$8, %[spare]\n\t" /* > 0: flag clear */
			 PCM_RSEQ_COMMIT_PAIR("%[spare]", "%[top]")
			 PCM_RSEQ_LEAVE
			 : [w] "=&r"(w), [top] "=&r"(top),
			   [spare] "=&r"(spare), "=@ccnz"(done)
			 : [area] "r"(area), [words] "r"(words),
			   [table] "r"(table),
			   [field] "r"(pcm_rseq_index_field), [obj] "r"(obj)
			 : "memory", "xmm0", "xmm1");
	return done;
}

#endif
