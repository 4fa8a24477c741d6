/*
 * rseq_section.h - the restartable sections: pop, push, exchange, and pop and push
 * that take a spare stack.
 *
 * They work on *words*. A word holds the top of a stack of pointers, and there
 * is one copy of it per index (CPU or concurrency id). The copies lie at
 *
 *	address of the word for index i  =  word + table[i]
 *
 * where `word` is the address in the dummy copy and table[i] a byte distance.
 * table[i] = 0 therefore means "the dummy"; a table that nobody ever wrote to
 * (.bss) sends every index there. The dummy's words are at once an empty and a
 * full stack, so that pop and push need no test for it.
 *
 * A stack of pointers lies between a word that is 0 and one that is
 * PCM_STACK_GUARD, which no pointer is:
 *
 *	  [ 0 | slot | slot | slot | ... | slot | GUARD ]
 *	                      ^top
 *
 *	empty:  top[-1] == 0			(pop needs no lower bound)
 *	full:	top[0] == PCM_STACK_GUARD	(push needs no upper bound)
 *
 * A slot above the top holds what was there before, or 0: nothing that is a guard.
 *
 * pop_spare and push_spare work on a pair of words, 16-byte aligned, each the top of
 * a stack.
 *
 * What holds for all, and what the kernel guarantees:
 *  - `area` is the calling thread's struct rseq, or was when the thread was
 *    armed. Everything that depends on the index is loaded after rseq_cs was
 *    set, and nothing derived from it survives an abort.
 *  - If the thread is preempted, migrated, signalled or fenced between the
 *    first instruction and the commit, the kernel resumes it at the abort
 *    handler. So when the commit executes, nobody else has used this index
 *    since rseq_cs was set.
 *  - Exactly one store can be seen by others, and it comes last: the commit.
 *    (Push also writes the slot above the top: it belongs to nobody.) It is one
 *    instruction, also where it stores a pair of words: this CPU sees both or none.
 *    Others may see one of them earlier, and look only when no section can be under
 *    way, or for statistics.
 *  - A thread that is not registered has cpu_id < 0; its mm_cid reads 0, which
 *    is why cpu_id is tested although it may not be the index.
 *  - A thread may get to [S] unregistered and be registered there by a signal
 *    handler that allocates. Its cpu_id is good then, but rseq_cs was cleared and
 *    nothing would abort the section: that is why rseq_cs is read back, after
 *    cpu_id. From there on the thread was registered, with this descriptor, or
 *    a handler has run, which aborts the section.
 *  - No call, no stack write, no system call inside; the abort does not jump
 *    back: the caller decides whether to try again, so a debugger that steps
 *    through aborts a bounded number of times.
 *
 * Signal safety: all are async-signal-safe and reentrant.
 */
#ifndef PCM_RSEQ_SECTION_H
#define PCM_RSEQ_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "rseq_abi.h"

/* The word above a stack's last slot; never an object. Known to the assembly. */
#define PCM_STACK_GUARD UINTPTR_MAX

/*
 * Where index i's copy lies: bytes from the dummy. Aligned loads and stores of
 * it are single-copy atomic; the writers are in percpu/.
 */
typedef intptr_t pcm_rseq_distance;

/* Offset in struct rseq of the field that is the index: cpu_id or mm_cid. */
extern PCM_HIDDEN uintptr_t pcm_rseq_index_field;

/*
 * Contract of the sections, in C-like pseudo-code. `area`, `word`, `table` as
 * above; [S] marks the first instruction of the section, [C] the commit.
 *
 * pop(area, word, table, &obj):
 *	area->rseq_cs = &descriptor;
 * [S]	if (area->cpu_id < 0) return false;
 *	if (area->rseq_cs != &descriptor) return false;
 *	w = word + table[*(uint32_t *)(area + index_field)];
 *	top = *w;
 *	obj = top[-1];
 *	if (obj == 0) return false;
 * [C]	*w = top - 1;
 *	return true;
 *
 * push(area, word, table, obj):
 *	area->rseq_cs = &descriptor;
 * [S]	if (area->cpu_id < 0) return false;
 *	if (area->rseq_cs != &descriptor) return false;
 *	w = word + table[*(uint32_t *)(area + index_field)];
 *	top = *w;
 *	if (*top == GUARD) return false;
 *	*top = obj;
 * [C]	*w = top + 1;
 *	return true;
 *
 * exchange(area, word, table, new, &old):
 *	area->rseq_cs = &descriptor;
 * [S]	if (area->cpu_id < 0) return false;
 *	if (area->rseq_cs != &descriptor) return false;
 *	d = table[*(uint32_t *)(area + index_field)];
 *	if (d == 0) return false;	  never writes to the dummy
 *	w = word + d;
 *	old = *w;
 * [C]	*w = new;
 *	return true;
 *
 * pop_spare(area, words, table, &obj):
 *	area->rseq_cs = &descriptor;
 * [S]	if (area->cpu_id < 0) return false;
 *	if (area->rseq_cs != &descriptor) return false;
 *	w = words + table[*(uint32_t *)(area + index_field)];
 *	top = w[0];
 *	if (top[-1] != 0) return false;
 *	spare = w[1];
 *	obj = spare[-1];
 *	if (obj == 0) return false;
 * [C]	w[0], w[1] = spare - 1, top;
 *	return true;
 *
 * push_spare(area, words, table, obj):
 *	area->rseq_cs = &descriptor;
 * [S]	if (area->cpu_id < 0) return false;
 *	if (area->rseq_cs != &descriptor) return false;
 *	w = words + table[*(uint32_t *)(area + index_field)];
 *	top = w[0];
 *	if (*top != GUARD) return false;
 *	spare = w[1];
 *	if (*spare == GUARD) return false;
 *	*spare = obj;
 * [C]	w[0], w[1] = spare + 1, top;
 *	return true;
 *
 * All: aborted = return false. The caller learns why from the thread's state.
 *
 * What is proved, by test/unit/test_rseq_abort.c and test_rseq_stopped.c, for
 * each section, index field, owner, and empty, middle, full and absent stacks, at
 * every instruction from the function's entry to its return:
 *  - interrupted before [C] (signal, migration, fence) it returns false and has
 *    changed no word; after [C] it returns true and is done. [C] is the last
 *    instruction of the descriptor's range, to the byte.
 *  - a handler may run any of the sections on the same words there, unregister
 *    the thread, register another area, or register it again: no object is lost
 *    or doubled, and a section that goes on works on the index's copy.
 *  - a stopper that has led the index to the dummy, and fenced, owns the stack: a
 *    section that stood at any instruction changes nothing any more.
 *  - cpu_id is tested before rseq_cs is read back. The other way round a handler
 *    that registers the thread between the two lets it go on unprotected.
 * Assumed, not proved: no handler comes exactly between the two tests, runs a
 * section and then unregisters a thread that was itself registered by a handler
 * at [S]. And all that the kernel promises.
 */
#if defined(__x86_64__)
#include "rseq_section_x86_64.h"
#define PCM_RSEQ_HAVE_SECTIONS 1
#else
#include "rseq_section_none.h"
#define PCM_RSEQ_HAVE_SECTIONS 0
#endif

#endif
