/*
 * Single steps and replaced instructions; see section_trap.h.
 */
#include "section_trap.h"

#include "single_step.h"

#if HAVE_SINGLE_STEP

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STEPS_MAX 4096

/* What stands at the replaced address. */
static const unsigned char code[][2] = {
	[TRAP_FAULT] = { 0xf4 },	    /* hlt */
	[TRAP_BREAKPOINT] = { 0xcc },	    /* int3 */
	[TRAP_LOOP] = { 0xeb, 0xfe },	    /* jmp to itself */
};
static const size_t code_length[] = {
	[TRAP_FAULT] = 1,
	[TRAP_BREAKPOINT] = 1,
	[TRAP_LOOP] = 2,
};

static struct {
	uintptr_t ip, sp, watched;
} steps[STEPS_MAX];
static volatile unsigned int nsteps;
static const volatile uintptr_t *watched;

static struct {
	volatile uintptr_t at; /* 0: none */
	enum trap_kind kind;
	unsigned char original[2];
	uintptr_t abort;
	void (*meet)(bool aborted);
} trap;

static void stepped(const greg_t *regs)
{
	if (nsteps < STEPS_MAX) {
		steps[nsteps].ip = (uintptr_t)regs[REG_RIP];
		steps[nsteps].sp = (uintptr_t)regs[REG_RSP];
		steps[nsteps].watched = *watched;
	}
	nsteps++;
}

/* Two threads may do this at once: both write the same. */
void trap_clear(void)
{
	uintptr_t at = trap.at;

	if (at == 0)
		return;
	memcpy((void *)at, trap.original, code_length[trap.kind]);
	trap.at = 0;
}

bool trap_waits(void)
{
	return trap.at != 0;
}

static void trapped(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t at = trap.at, ip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	bool aborted;

	(void)info;
	if (watched) {
		stepped(uc->uc_mcontext.gregs);
		return;
	}
	aborted = ip != at + (sig == SIGTRAP);
	if (at == 0 || (aborted && ip != trap.abort)) {
		static const char text[] = "an unexpected fault\n";

		if (write(2, text, sizeof(text) - 1))
			_exit(1);
	}
	trap_clear();
	if (!aborted)
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)at;
	trap.meet(aborted);
}

void trap_init(void)
{
	struct sigaction action = { .sa_sigaction = trapped,
				    .sa_flags = SA_SIGINFO };

	must(sigaction(SIGTRAP, &action, NULL) == 0);
	must(sigaction(SIGSEGV, &action, NULL) == 0);
}

static void make_writable(uintptr_t from, uintptr_t to)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	from &= ~(page - 1);
	to = (to + page - 1) & ~(page - 1);
	must(mprotect((void *)from, to - from,
		      PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
}

/* The steps from the entry until the stack is above what it was there. */
static void keep(struct trap_path *path, uintptr_t function)
{
	unsigned int first = 0, i;

	while (first < nsteps && steps[first].ip != function)
		first++;
	must(first < nsteps);
	path->n = 0;
	for (i = first; i < nsteps && steps[i].sp <= steps[first].sp; i++) {
		must(path->n < TRAP_PATH_MAX);
		path->at[path->n++] = steps[i].ip;
	}
	path->committed = path->n;
	for (i = path->n; i-- > 0;)
		if (steps[first + i].watched != steps[first].watched)
			path->committed = i;
	for (i = 0; i < path->n; i++)
		make_writable(path->at[i], path->at[i] + sizeof(code[0]));
}

void trap_learn(struct trap_path *path, const void *function,
		void (*call)(void), const volatile uintptr_t *watch)
{
	nsteps = 0;
	watched = watch;
	single_step(true);
	call();
	single_step(false);
	watched = NULL;
	must(nsteps < STEPS_MAX);
	keep(path, (uintptr_t)function);
}

bool trap_inside(const struct trap_path *path, unsigned int i)
{
	const struct lab_descriptor *d = path->descriptor;

	return path->at[i] - d->start < d->length;
}

void trap_set(enum trap_kind kind, const struct trap_path *path, unsigned int i,
	      void (*meet)(bool aborted))
{
	must(trap.at == 0);
	trap.kind = kind;
	trap.meet = meet;
	trap.abort = path->descriptor->abort;
	memcpy(trap.original, (void *)path->at[i], code_length[kind]);
	trap.at = path->at[i];
	memcpy((void *)path->at[i], code[kind], code_length[kind]);
}

#endif
