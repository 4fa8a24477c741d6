/*
 * Scenario 8, the narrowest place: a thread that is not registered has
 * announced a section in rseq_cs and is about to look whether it is registered,
 * when a signal comes. Nothing aborts the section, as the kernel knows of none.
 * The handler allocates, and so registers the thread and uses rseq_cs itself.
 * What was interrupted must not go on: nothing would abort it any more.
 *
 * The thread is stepped through malloc; at the section's first instruction it
 * is registered by the handler, and from then on the handler takes a block of
 * the same size at each of its instructions. malloc must not return any of
 * them.
 */
#include "rseq_raw.h"
#include "single_step.h"

#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>

#define NTURNS 200
#define NTAKEN_MAX 512
#define TRAP_FLAG 0x100

#if HAVE_SINGLE_STEP

/* The kernel's struct rseq_cs. */
struct descriptor {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

/* How the thread gets registered: by an allocation, or by hand. */
static bool by_hand;
static size_t nbytes;
static struct raw_area *area;
static bool met;
static uint64_t start, end;
static void *taken[NTAKEN_MAX];
static unsigned int ntaken, nmet, ninside;

/*
 * Not by malloc: its section is the one that was interrupted, and would leave
 * it announced.
 */
static void take(void)
{
	if (ntaken < NTAKEN_MAX)
		taken[ntaken++] = calloc(1, nbytes);
}

static void at_first_instruction(const struct descriptor *section)
{
	met = true;
	nmet++;
	start = section->start;
	end = section->start + section->length;
	if (by_hand)
		must(raw_register(area, raw_used_size(), RAW_SIG) == 0);
	take();
	must(area->cpu_id >= 0);
}

static void on_trap(int signo, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const struct descriptor *section =
		(const struct descriptor *)(uintptr_t)area->rseq_cs;
	uint64_t ip = (uint64_t)regs[REG_RIP];

	(void)signo, (void)info;
	if (!met) {
		if (section && section->start == ip)
			at_first_instruction(section);
	} else if (ip >= start && ip < end) {
		ninside++;
		take();
	} else {
		/* It has left the section. */
		regs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
	}
}

static void turn(void)
{
	unsigned int i;
	void *p;

	met = false;
	ntaken = 0;
	must(raw_unregister(area, raw_used_size(), RAW_SIG) == 0);
	/* What is left in it would look like an announcement. */
	area->rseq_cs = 0;
	single_step(true);
	p = malloc(nbytes);
	single_step(false);
	must(p && met);
	for (i = 0; i < ntaken; i++)
		must(taken[i] != p);
	memset(p, 1, nbytes);
	free(p);
	for (i = 0; i < ntaken; i++)
		free(taken[i]);
}

int main(void)
{
	static const size_t sizes[] = { 16, 64, 500, 1000 };
	struct sigaction action = { .sa_sigaction = on_trap,
				    .sa_flags = SA_SIGINFO };
	int i;

	testing_start(60);
	raw_prepare();
	area = raw_used_area();
	must(sigaction(SIGTRAP, &action, NULL) == 0);
	for (i = 0; i < NTURNS; i++) {
		nbytes = sizes[i % 4];
		by_hand = i / 4 % 2;
		free(malloc(nbytes));
		raw_visits_to_recover();
		turn();
	}
	raw_visit_slow_path();
	raw_must_be_registered();
	printf("%s: registered at the first instruction of a section %u times; "
	       "%u stops inside after it\n", raw_mode(), nmet, ninside);
	return 0;
}

#else

int main(void)
{
	testing_skip("no single steps on this machine");
}

#endif
