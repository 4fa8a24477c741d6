/*
 * The crowd of cpu_lab.h. Its threads give the CPU away after every other step,
 * so that each of hundreds has its turn soon; in between they are preempted
 * wherever they are.
 */
#include "cpu_lab.h"

#include "rseq_raw.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define MEMBERS_MAX 1024
/* A thread's part that has no checks but the least. */
#define TIGHT_TURNS 300
#define TIGHT_BLOCKS 24
#define TIGHT_BYTES 48
#define TIGHT_WORD 3
#define STIR_PAUSE_US 2000
/* A CPU's number and a comma, in the argument of the second run. */
#define ID_BYTES 6

static struct member {
	pthread_t thread;
	_Atomic(pid_t) tid;
	atomic_ulong nsteps;
} members[MEMBERS_MAX];
static int nmembers;
static atomic_bool stopping;

void cpus_allowed(struct cpus *cpus)
{
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	size_t nbytes = CPU_ALLOC_SIZE(CPUS_MAX);
	int cpu;

	must(set && sched_getaffinity(0, nbytes, set) == 0);
	cpus->n = 0;
	for (cpu = 0; cpu < CPUS_MAX; cpu++)
		if (CPU_ISSET_S(cpu, nbytes, set))
			cpus->id[cpus->n++] = cpu;
	CPU_FREE(set);
}

bool cpus_bind(pid_t tid, const int *ids, int n)
{
	cpu_set_t set[(CPUS_MAX + CPU_SETSIZE - 1) / CPU_SETSIZE];
	int i;

	CPU_ZERO_S(sizeof(set), set);
	for (i = 0; i < n; i++)
		CPU_SET_S(ids[i], sizeof(set), set);
	return sched_setaffinity(tid, sizeof(set), set) == 0;
}

static void run_again(const struct cpus *cpus, char *program)
{
	static char list[CPUS_MAX * ID_BYTES];
	char *argv[] = { program, list, NULL };
	size_t used = 0;
	int i;

	for (i = 0; i < cpus->n; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
					 "%d,", cpus->id[i]);
	must(cpus_bind(0, &cpus->id[cpus->n - 1], 1));
	fflush(stdout);
	execv(program, argv);
	must(!"execv");
}

void cpus_start_bound(struct cpus *cpus, int argc, char **argv)
{
	char *at;

	if (argc == 1) {
		cpus_allowed(cpus);
		run_again(cpus, argv[0]);
	}
	cpus->n = 0;
	for (at = argv[1]; *at && cpus->n < CPUS_MAX; at++)
		cpus->id[cpus->n++] = (int)strtol(at, &at, 10);
}

/*
 * Nothing but malloc and free, one size for all, so that a thread that loses
 * the CPU is in a section more often than not.
 */
static void tight_loop(uint64_t tag)
{
	uint64_t *p[TIGHT_BLOCKS];
	int turn, i;

	for (turn = 0; turn < TIGHT_TURNS; turn++) {
		for (i = 0; i < TIGHT_BLOCKS; i++) {
			p[i] = malloc(TIGHT_BYTES);
			must(p[i]);
			p[i][TIGHT_WORD] = tag + (uint64_t)i;
		}
		for (i = 0; i < TIGHT_BLOCKS; i++) {
			must(p[i][TIGHT_WORD] == tag + (uint64_t)i);
			p[i][TIGHT_WORD] = 0;
			free(p[i]);
		}
	}
}

static void *member(void *arg)
{
	struct member *self = arg;
	uint64_t state = testing_seed() + (uint64_t)(self - members);

	atomic_store(&self->tid, (pid_t)syscall(SYS_gettid));
	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		claims_step(&state);
		tight_loop(rnd(&state));
		if (atomic_fetch_add_explicit(&self->nsteps, 1,
					      memory_order_relaxed) % 2)
			sched_yield();
	}
	if (on_per_cpu()) {
		raw_visit_slow_path();
		must(raw_per_cpu());
	}
	return NULL;
}

void crowd_start(int nthreads)
{
	pthread_attr_t attr;
	int i;

	must(nthreads <= MEMBERS_MAX);
	must(!pthread_attr_init(&attr));
	must(!pthread_attr_setstacksize(&attr, 256 * KIB));
	atomic_store(&stopping, false);
	for (i = 0; i < nthreads; i++)
		must(!pthread_create(&members[i].thread, &attr, member,
				     &members[i]));
	nmembers = nthreads;
	crowd_wait(1);
}

static void bind_member(struct member *m, const int *ids, int n)
{
	pid_t tid = atomic_load(&m->tid);

	must(tid != 0);
	cpus_bind(tid, ids, n);
}

void crowd_bind(const int *ids, int n)
{
	int i;

	for (i = 0; i < nmembers; i++)
		bind_member(&members[i], ids, n);
	cpus_bind(0, ids, n);
}

void crowd_bind_one(unsigned int which, const int *ids, int n)
{
	bind_member(&members[which % (unsigned int)nmembers], ids, n);
}

void crowd_wait(unsigned long nsteps)
{
	static unsigned long wanted[MEMBERS_MAX];
	int i;

	for (i = 0; i < nmembers; i++)
		wanted[i] = atomic_load(&members[i].nsteps) + nsteps;
	for (i = 0; i < nmembers; i++)
		while (atomic_load(&members[i].nsteps) < wanted[i])
			usleep(1000);
}

static void stir_once(const struct cpus *cpus, uint64_t *state)
{
	int n = cpus->n;
	int first = (int)(rnd(state) % (uint64_t)n);
	int some = 1 + (int)(rnd(state) % (uint64_t)(n - first));

	switch (rnd(state) % 8) {
	case 0:
		crowd_bind(&cpus->id[first], 1);
		break;
	case 1:
		crowd_bind(cpus->id, n);
		break;
	case 2:
		crowd_bind(&cpus->id[first], some);
		break;
	default:
		crowd_bind_one((unsigned int)rnd(state), &cpus->id[first],
			       rnd(state) % 2 ? 1 : some);
	}
}

unsigned long crowd_stir(const struct cpus *cpus, double seconds)
{
	const char *given = getenv("PCM_STIR_SECONDS");
	double end = testing_seconds() + (given ? atof(given) : seconds);
	uint64_t state = testing_seed();
	unsigned long n = 0;

	while (testing_seconds() < end) {
		stir_once(cpus, &state);
		n++;
		/* Now one change at once after the other, now some time. */
		if (rnd(&state) % 2)
			usleep((useconds_t)(rnd(&state) % STIR_PAUSE_US));
	}
	crowd_bind(cpus->id, cpus->n);
	return n;
}

void crowd_stop(const struct cpus *cpus)
{
	int i;

	crowd_bind(cpus->id, cpus->n);
	atomic_store(&stopping, true);
	for (i = 0; i < nmembers; i++)
		must(!pthread_join(members[i].thread, NULL));
	nmembers = 0;
	claims_end();
}

bool on_per_cpu(void)
{
	return strncmp(raw_mode(), "per-CPU", strlen("per-CPU")) == 0;
}

bool by_mm_cid(void)
{
	return strstr(raw_mode(), "mm_cid") != NULL;
}
