/*
 * The pattern programs' harness; harness.h is the contract. No function here
 * calls malloc, except for the light activity at the end, and pthread_create().
 */
#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define SETTLE_MS 200
#define SETTLE_BLOCKS 4
#define SETTLE_LOW 16
#define SETTLE_HIGH 1024
#define SAMPLE_SECONDS 0.01
#define NS_A_MS 1000000
#define KIB 1024

struct harness_options harness = { .scale = 1, .seed = 1 };
__thread struct harness_mine harness_mine;

static _Atomic(int64_t) live, peak, noperations;
static int settle_ms = SETTLE_MS;
static double origin, started, seconds, next_sample;
static int series = -1;

static struct worker {
	pthread_t thread;
	void (*work)(int index);
	int index;
} workers[HARNESS_MAX_THREADS];

_Noreturn static void usage(const char *why, const char *what)
{
	measure_write(STDERR_FILENO, why);
	measure_write(STDERR_FILENO, ": ");
	measure_die(what);
}

static int find_mode(const char *name, const char *const *modes)
{
	for (int i = 0; modes != NULL && modes[i] != NULL; i++)
		if (strcmp(modes[i], name) == 0)
			return i;
	usage("no such mode", name);
}

static double number(const char *text, double low, double high)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= low && value <= high))
		usage("not a number that will do", text);
	return value;
}

static void set_option(const char *key, const char *value,
		       const char *const *modes)
{
	if (strcmp(key, "scale") == 0)
		harness.scale = number(value, 0, 1e6);
	else if (strcmp(key, "threads") == 0)
		harness.nthreads = (int)number(value, 1, HARNESS_MAX_THREADS);
	else if (strcmp(key, "seed") == 0)
		harness.seed = (uint64_t)number(value, 0, 1e15);
	else if (strcmp(key, "settle_ms") == 0)
		settle_ms = (int)number(value, 0, 1e6);
	else if (strcmp(key, "mode") == 0)
		harness.mode = find_mode(value, modes);
	else if (strcmp(key, "series") == 0)
		series = open(value, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			      0644);
	else
		usage("no such key", key);
	if (strcmp(key, "series") == 0 && series < 0)
		usage("cannot write", value);
}

void harness_options(int argc, char **argv, int nthreads,
		     const char *const *modes)
{
	harness.nthreads = nthreads;
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (value == NULL)
			usage("not key=value", argv[i]);
		*value = '\0';
		set_option(argv[i], value + 1, modes);
	}
}

long harness_scaled(long n)
{
	double scaled = (double)n * harness.scale;

	return scaled < 1 ? 1 : (long)scaled;
}

void *harness_map(size_t nbytes)
{
	void *p = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		measure_die("mmap failed");
	return p;
}

static void raise_peak(int64_t now)
{
	int64_t most = atomic_load_explicit(&peak, memory_order_relaxed);

	while (now > most &&
	       !atomic_compare_exchange_weak_explicit(&peak, &most, now,
						      memory_order_relaxed,
						      memory_order_relaxed))
		;
}

void harness_publish(void)
{
	int64_t before = atomic_fetch_add_explicit(&live, harness_mine.live,
						   memory_order_relaxed);

	raise_peak(before + harness_mine.most);
	atomic_fetch_add_explicit(&noperations, harness_mine.noperations,
				  memory_order_relaxed);
	harness_mine.live = 0;
	harness_mine.most = 0;
	harness_mine.noperations = 0;
}

/* Resident pages by statm. */
double harness_rss_kib(void)
{
	char text[128] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char *second;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		measure_die("cannot read /proc/self/statm");
	close(fd);
	second = strchr(text, ' ');
	if (second == NULL)
		return 0;
	return (double)(strtol(second, NULL, 10) *
			(sysconf(_SC_PAGESIZE) / KIB));
}

double harness_live_kib(void)
{
	return (double)atomic_load(&live) / KIB;
}

void harness_sample(void)
{
	double now;
	char line[96];
	int n;

	if (series < 0)
		return;
	now = measure_now();
	if (now < next_sample)
		return;
	next_sample = now + SAMPLE_SECONDS;
	n = snprintf(line, sizeof(line), "%.3f %.0f %.0f\n", now - origin,
		     harness_rss_kib(), harness_live_kib());
	if (write(series, line, (size_t)n) != n)
		measure_die("cannot write the series");
}

void harness_start(void)
{
	started = measure_now();
	if (origin == 0)
		origin = started;
	harness_sample();
}

void harness_stop(void)
{
	seconds += measure_now() - started;
	harness_publish();
	harness_sample();
}

void harness_print(const char *name, double value)
{
	char line[128];

	snprintf(line, sizeof(line), value == (double)(int64_t)value ?
		 "%s %.0f\n" : "%s %.6f\n", name, value);
	measure_write(STDOUT_FILENO, line);
}

/*
 * A few blocks in each millisecond: allocators that give memory back as time
 * passes, but only when they are called, have the chance to.
 */
void harness_settle(void)
{
	const struct timespec step = { .tv_nsec = NS_A_MS };
	double end = measure_now() + settle_ms / 1e3;
	uint64_t random = 1;

	do {
		void *p[SETTLE_BLOCKS];

		for (int i = 0; i < SETTLE_BLOCKS; i++) {
			p[i] = malloc(harness_between(&random, SETTLE_LOW,
						      SETTLE_HIGH));
			measure_use(p[i]);
		}
		for (int i = 0; i < SETTLE_BLOCKS; i++)
			free(p[i]);
		nanosleep(&step, NULL);
		harness_sample();
	} while (measure_now() < end);
}

int harness_report(void)
{
	if (atomic_load(&live) != 0)
		measure_die("not everything was freed");
	harness_settle();
	harness_print("seconds", seconds);
	harness_print("operations", (double)atomic_load(&noperations));
	harness_print("peak_live_kib", (double)atomic_load(&peak) / KIB);
	harness_print("settled_kib", measure_rss_kib());
	return 0;
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	worker->work(worker->index);
	harness_publish();
	return NULL;
}

void harness_threads(void (*work)(int index))
{
	int n = harness.nthreads;

	if (n == 1) {
		work(0);
		return;
	}
	for (int i = 0; i < n; i++) {
		workers[i].work = work;
		workers[i].index = i;
		if (pthread_create(&workers[i].thread, NULL, run,
				   &workers[i]) != 0)
			measure_die("pthread_create failed");
	}
	for (int i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
}
