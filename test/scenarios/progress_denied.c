/*
 * A thread that is denied rseq for ever runs at the speed of rseq:off: it does
 * not ask again and again, masks no signals, makes no system call at all.
 *
 * Denied are: a process from its start, in a process with one thread and in one
 * with several; and a thread that is new in a process whose other threads are
 * on per-CPU caches. Each is measured in a process of its own, in turns with
 * rseq:off; then a filter that kills shows that nothing is asked of the kernel.
 */
#include "rseq_raw.h"
#include "syscall_filter.h"

#include <dlfcn.h>
#include <pthread.h>

#define ROUNDS 9
#define BATCHES 9
#define PAIRS 20000
#define BURSTS 5
#define BURST 400
#define SLOWER_MAX 1.5
#define TRIES 4 /* of a host that changes its speed within a round */

enum kind {
	OFF,		/* rseq:off */
	OFF_THREADS,	/* the same, by a second thread */
	DENIED,		/* EPERM from the start */
	DENIED_THREADS, /* the same, by a second thread */
	DENIED_LATER,	/* EPERM when the first thread is armed already */
	NKINDS
};

static const char *const names[NKINDS] = {
	"rseq:off", "rseq:off, second thread", "denied",
	"denied, second thread", "second thread denied",
};
static const enum kind compared_with[NKINDS] = { OFF, OFF_THREADS, OFF,
						 OFF_THREADS, OFF_THREADS };

/* Pairs, and a few bursts that magazines must be exchanged for. */
static void pairs(void)
{
	void *p[BURST];
	int i, k;

	for (i = 0; i < PAIRS; i++)
		free(opaque(malloc(opaque_size(64))));
	for (k = 0; k < BURSTS; k++) {
		for (i = 0; i < BURST; i++)
			p[i] = malloc(64);
		for (i = 0; i < BURST; i++)
			free(p[i]);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(values[0]), by_value);
	return values[n / 2];
}

/* Nanoseconds of CPU time that a pair takes: the median of the batches. */
static double measure(void)
{
	double ns[BATCHES], start;
	int i;

	pairs();
	for (i = 0; i < BATCHES; i++) {
		start = testing_cpu_seconds();
		pairs();
		ns[i] = (testing_cpu_seconds() - start) * 1e9 / PAIRS;
	}
	return median(ns, BATCHES);
}

static void *in_thread(void *arg)
{
	enum kind kind = *(enum kind *)arg;

	free(malloc(1));
	if (kind == DENIED_LATER)
		must(raw_state() == PCM_RSEQ_DENIED);
	must(!raw_per_cpu());
	printf("%.6f\n", measure());
	fflush(stdout);
	filter_install(SYS_rseq, FILTER_KILL);
	filter_install(SYS_rt_sigprocmask, FILTER_KILL);
	filter_install(SYS_gettid, FILTER_KILL);
	filter_install(SYS_membarrier, FILTER_KILL);
	pairs();
	_exit(0);
}

/* The program again, under a filter that was there before libc. */
static void measure_kind(enum kind kind)
{
	pthread_t thread;

	if (kind == DENIED_LATER) {
		free(malloc(1));
		must(raw_per_cpu());
		filter_install(SYS_rseq, FILTER_ERROR(EPERM));
	}
	if (kind == OFF || kind == DENIED)
		in_thread(&kind);
	must(!pthread_create(&thread, NULL, in_thread, &kind));
	pthread_join(thread, NULL);
}

static void start(void *arg)
{
	enum kind kind = *(enum kind *)arg;
	char number[8];

	snprintf(number, sizeof(number), "%d", (int)kind);
	if (kind == OFF || kind == OFF_THREADS)
		setenv("PCMALLOC_CONF", "rseq:off", 1);
	else if (kind != DENIED_LATER)
		filter_install(SYS_rseq, FILTER_ERROR(EPERM));
	execl("/proc/self/exe", "progress_denied", number, NULL);
	must(!"an exec of the program itself");
}

static double run(enum kind kind)
{
	static struct child child;
	double ns;

	testing_child(&child, 30, start, &kind);
	if (child.status != 0)
		printf("%s: status 0x%x %s\n", names[kind], child.status,
		       child.err);
	must(child.status == 0);
	ns = strtod(child.out, NULL);
	must(ns > 0);
	return ns;
}

/*
 * Nanoseconds of each kind, and how much slower it is than what it is compared with:
 * in the same round, since hosts are faster in one second and slower in another.
 */
static void compare(double ns[NKINDS][ROUNDS], double slower[NKINDS][ROUNDS])
{
	int round;
	enum kind kind;

	for (round = 0; round < ROUNDS; round++) {
		for (kind = OFF; kind < NKINDS; kind++) {
			ns[kind][round] = run(kind);
			slower[kind][round] = ns[kind][round] /
				ns[compared_with[kind]][round];
		}
	}
}

/* True if none is slower than it may be. */
static bool report(double ns[NKINDS][ROUNDS], double slower[NKINDS][ROUNDS])
{
	bool good = true;
	enum kind kind;

	for (kind = OFF; kind < NKINDS; kind++) {
		double ratio = median(slower[kind], ROUNDS);

		printf("%-24s %6.1f ns a pair, %.2f\n", names[kind],
		       median(ns[kind], ROUNDS), ratio);
		good &= ratio <= SLOWER_MAX;
	}
	return good;
}

int main(int argc, char **argv)
{
	static double ns[NKINDS][ROUNDS], slower[NKINDS][ROUNDS];
	bool good = false;
	const char *why;
	int try;

	if (argc > 1) {
		measure_kind((enum kind)atoi(argv[1]));
		return 1;
	}
	testing_start(100);
	if (!filter_works(&why))
		testing_skip(why);
	for (try = 0; try < TRIES && !good; try++) {
		compare(ns, slower);
		good = report(ns, slower);
	}
	must(good);
	return 0;
}
