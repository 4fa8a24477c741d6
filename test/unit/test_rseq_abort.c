/*
 * rseq_section: an abort at every instruction of every section.
 *
 * A section is stepped through once, on an area that the kernel does not know
 * of, to learn where its instructions begin. Then each of them in turn is
 * replaced by a breakpoint and the section is run on the thread's real area: the
 * kernel sees a signal inside of a section and aborts it. Before the commit
 * nothing may have changed; after it the operation is done.
 */
#include "section_lab.h"
#include "single_step.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "rseq_process.h"
#include "rseq_thread.h"

#if HAVE_SINGLE_STEP

#define BREAKPOINT 0xcc
#define STEPS_MAX 256
#define INSTRUCTIONS_MAX 32

/* struct rseq_cs of the kernel. */
struct descriptor {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

enum section { POP, PUSH, EXCHANGE, NSECTIONS };

static const struct descriptor *descriptor;

/* Where the instructions on the main path begin; the last is behind the end. */
static uintptr_t at[INSTRUCTIONS_MAX];
static unsigned int nat;

static uintptr_t steps[STEPS_MAX];
static volatile unsigned int nsteps;

static struct {
	volatile uintptr_t at;	 /* where the breakpoint is; 0: none */
	unsigned char original;	 /* the byte that it replaces */
	volatile uintptr_t went; /* where the kernel sent the thread */
	bool nested;		 /* the handler uses the stack, too */
	void *taken;		 /* what it popped */
} breakpoint;

static bool run(enum section section, struct pcm_rseq_area *area, void *in,
		void **out)
{
	switch (section) {
	case POP:
		return lab_pop(area, out);
	case PUSH:
		return lab_push(area, in);
	default:
		return lab_exchange(area, in, out);
	}
}

static void restore_byte(void)
{
	*(unsigned char *)breakpoint.at = breakpoint.original;
	breakpoint.at = 0;
}

static void trapped(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *ip = &uc->uc_mcontext.gregs[REG_RIP];
	uintptr_t stopped_at = breakpoint.at;

	(void)sig, (void)info;
	if (stopped_at == 0) { /* a step */
		if (nsteps < STEPS_MAX)
			steps[nsteps] = (uintptr_t)*ip;
		nsteps++;
		return;
	}
	restore_byte();
	breakpoint.went = (uintptr_t)*ip;
	if ((uintptr_t)*ip == stopped_at + 1)
		*ip = (greg_t)stopped_at; /* not in a section: go on there */
	if (breakpoint.nested)
		must(lab_pop(pcm_rseq_armed, &breakpoint.taken));
}

static void set_breakpoint(uintptr_t where, bool nested)
{
	breakpoint.original = *(unsigned char *)where;
	breakpoint.went = 0;
	breakpoint.nested = nested;
	breakpoint.taken = NULL;
	breakpoint.at = where;
	*(volatile unsigned char *)where = BREAKPOINT;
}

static void make_writable(uintptr_t from, uintptr_t to)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	from &= ~(page - 1);
	to = (to + page - 1) & ~(page - 1);
	must(mprotect((void *)from, to - from,
		      PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
}

static void keep_steps_in_section(void)
{
	unsigned int i;

	nat = 0;
	for (i = 0; i < nsteps; i++) {
		if (steps[i] < descriptor->start ||
		    steps[i] > descriptor->start + descriptor->length)
			continue;
		must(nat < INSTRUCTIONS_MAX);
		at[nat++] = steps[i];
	}
	must(nat >= 4); /* a test, two loads, the commit */
	must(at[0] == descriptor->start);
	must(at[nat - 1] == descriptor->start + descriptor->length);
}

/* Finds the section's descriptor and its instructions. */
static void learn(enum section section)
{
	struct pcm_rseq_area fake = { .cpu_id = 0 };
	struct sigaction action = { .sa_sigaction = trapped,
				    .sa_flags = SA_SIGINFO };
	void *out;
	bool done;

	must(sigaction(SIGTRAP, &action, NULL) == 0);
	lab_init();
	lab_all_to(0);
	lab_fill(0, 20, 10);
	nsteps = 0;
	single_step(true);
	done = run(section, &fake, (void *)0x77, &out);
	single_step(false);
	must(done);
	must(nsteps < STEPS_MAX);
	descriptor = (const struct descriptor *)(uintptr_t)fake.rseq_cs;
	keep_steps_in_section();
	make_writable(descriptor->start,
		      descriptor->start + descriptor->length + 1);
}

/* False: this machine has no rseq. */
static bool arm(void)
{
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_CPU_ID);
	return pcm_rseq_arm();
}

/* The state that run() leaves: with what it should leave when it is done. */
static void must_be_done(enum section section, void **top, void *out)
{
	void **now = lab_copies[0].word[LAB_WORD];

	switch (section) {
	case POP:
		must(out == (void *)10 && now == top - 1);
		break;
	case PUSH:
		must(now == top + 1 && top[0] == (void *)0x77);
		break;
	default:
		must(out == (void *)top && now == (void **)0x77);
		break;
	}
}

static void abort_at(enum section section, uintptr_t where)
{
	bool committed = where == descriptor->start + descriptor->length;
	void *out = NULL, **top;
	bool done;

	lab_fill(0, 20, 10);
	top = lab_copies[0].word[LAB_WORD];
	set_breakpoint(where, false);
	done = run(section, pcm_rseq_armed, (void *)0x77, &out);
	must(breakpoint.went != 0);
	must(done == committed);
	if (!committed) {
		must(breakpoint.went == descriptor->abort);
		must(lab_copies[0].word[LAB_WORD] == top);
		must(run(section, pcm_rseq_armed, (void *)0x77, &out));
	}
	must_be_done(section, top, out);
}

START_TEST(abort_at_each_instruction)
{
	unsigned int i;

	if (!arm())
		return;
	learn((enum section)_i);
	for (i = 0; i < nat; i++)
		abort_at((enum section)_i, at[i]);
}
END_TEST

/* The handler pops the top object: the interrupted section must not, too. */
static void abort_and_pop_at(enum section section, uintptr_t where)
{
	bool committed = where == descriptor->start + descriptor->length;
	void *out = NULL, **top;
	bool done;

	lab_fill(0, 20, 10);
	top = lab_copies[0].word[LAB_WORD];
	set_breakpoint(where, true);
	done = run(section, pcm_rseq_armed, (void *)0x77, &out);
	must(done == committed);
	if (committed && section == POP) {
		must(out == (void *)10 && breakpoint.taken == (void *)9);
		must(lab_copies[0].word[LAB_WORD] == top - 2);
	} else if (committed) {
		must(breakpoint.taken == (void *)0x77);
		must(lab_copies[0].word[LAB_WORD] == top);
	} else {
		must(breakpoint.taken == (void *)10);
		must(lab_copies[0].word[LAB_WORD] == top - 1);
	}
}

START_TEST(handler_pops_at_each_instruction)
{
	unsigned int i;

	if (!arm())
		return;
	learn((enum section)_i);
	for (i = 0; i < nat; i++)
		abort_and_pop_at((enum section)_i, at[i]);
}
END_TEST

/*
 * A debugger that steps through aborts the section at its first instruction,
 * and gets out of it: no loop.
 */
START_TEST(stepped_through)
{
	void *out = NULL, **top;
	bool done;

	if (!arm())
		return;
	learn((enum section)_i);
	lab_fill(0, 20, 10);
	top = lab_copies[0].word[LAB_WORD];
	nsteps = 0;
	single_step(true);
	done = run((enum section)_i, pcm_rseq_armed, (void *)0x77, &out);
	single_step(false);
	must(nsteps < STEPS_MAX);
	must(!done);
	must(lab_copies[0].word[LAB_WORD] == top);
	must(run((enum section)_i, pcm_rseq_armed, (void *)0x77, &out));
	must_be_done((enum section)_i, top, out);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("rseq_abort");

	tcase_add_loop_test(tests, abort_at_each_instruction, 0, NSECTIONS);
	tcase_add_loop_test(tests, stepped_through, 0, NSECTIONS);
	/* Pop, and push; an exchanged word is no stack to pop from. */
	tcase_add_loop_test(tests, handler_pops_at_each_instruction, 0,
			    EXCHANGE);
	return unit_end();
}

#else

int main(void)
{
	testing_skip("no sections for this architecture");
}

#endif
