/*
 * The harness of the stress programs: environment, fault line, watchdog,
 * workers and prodder (see stress.h). Takes no lock and allocates nothing.
 */
#include "stress.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXIT_SKIP 77
#define GRACE_SECONDS 40
#define MAX_CPUS CPU_SETSIZE
/* The auxiliary vector's entry; old headers do not name it. */
#define RSEQ_FEATURE_SIZE_ENTRY 27
/* struct rseq has mm_cid from this size on. */
#define RSEQ_SIZE_WITH_MM_CID 28
/* enum pcm_rseq_state's values of a thread that uses a CPU's slab. */
#define STATE_UNARMED 0
#define STATE_OWN 2

__thread int stress_thread = -1;
void (*stress_at_fault)(void);

static const char *name;
static uint64_t seed;
static double seconds;
static bool any;
static bool percpu;
static int (*rseq_state)(void);
static unsigned ncpus;
static int cpus[MAX_CPUS];
static _Atomic(bool) stopped;
static atomic_flag failed = ATOMIC_FLAG_INIT;

static void say(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, text, len);

		if (done <= 0)
			return;
		text += done;
		len -= (size_t)done;
	}
}

__attribute__((format(printf, 2, 3)))
static void sayf(int fd, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	say(fd, line, (size_t)len);
}

void stress_fail(const char *fmt, ...)
{
	char fault[320];
	va_list ap;

	/* Who is cancelled in here would leave all others waiting for its report. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	if (atomic_flag_test_and_set(&failed))
		for (;;)
			pause();
	va_start(ap, fmt);
	vsnprintf(fault, sizeof(fault), fmt, ap);
	va_end(ap);
	sayf(STDERR_FILENO, "%s: FAULT: %s [thread %d, pid %d, seed 0x%llx]\n",
	     name, fault, stress_thread, (int)getpid(),
	     (unsigned long long)seed);
	if (stress_at_fault != NULL)
		stress_at_fault();
	abort();
}

static void on_alarm(int signo)
{
	(void)signo;
	stress_fail("hung: the time limit has passed");
}

static void watch(void)
{
	struct sigaction act = { .sa_handler = on_alarm };
	const char *text = getenv("PCM_STRESS_LIMIT");
	unsigned limit = (unsigned)seconds + GRACE_SECONDS;

	if (text != NULL && atoi(text) > 0)
		limit = (unsigned)atoi(text);
	sigaction(SIGALRM, &act, NULL);
	alarm(limit);
}

static void read_environment(void)
{
	const char *text = getenv("PCM_STRESS_SECONDS");
	struct timespec now;

	seconds = text != NULL ? strtod(text, NULL) : 2;
	text = getenv("PCM_STRESS_SEED");
	clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_sec * 1000000007u ^ (uint64_t)now.tv_nsec;
	seed = mix64(seed + (uint64_t)getpid()) >> 32;
	if (text != NULL && *text != '\0')
		seed = strtoull(text, NULL, 0);
	text = getenv("PCM_STRESS_ANY");
	any = text != NULL && strcmp(text, "1") == 0;
}

static void find_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0) {
		ncpus = 1;
		return;
	}
	for (int cpu = 0; cpu < MAX_CPUS; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[ncpus++] = cpu;
}

static void *symbol(const char *which)
{
	return dlsym(RTLD_DEFAULT, which);
}

/* malloc must come from the library that has pcm_version. */
static void check_library(void)
{
	void *version = symbol("pcm_version");
	Dl_info ours, used;

	if (version == NULL)
		stress_fail("not pcmalloc (PCM_STRESS_ANY=1 allows that)");
	if (dladdr(version, &ours) == 0 ||
	    dladdr(symbol("malloc"), &used) == 0)
		stress_fail("dladdr does not know the library");
	if (ours.dli_fbase != used.dli_fbase)
		stress_fail("malloc is %s's, not pcmalloc's", used.dli_fname);
}

static bool kernel_has_rseq(void)
{
	/* A bad request: EINVAL from a kernel that knows the call. */
	long rc = syscall(SYS_rseq, NULL, 0, ~0, 0);

	return rc == 0 || errno == EINVAL || errno == EBUSY;
}

static void skip(const char *why)
{
	sayf(STDOUT_FILENO, "%s: skipped: %s\n", name, why);
	exit(EXIT_SKIP);
}

/* The mode must be the one that the configuration asks for. */
static const char *check_mode(void)
{
	const char *conf = getenv("PCMALLOC_CONF");
	const char *(*mode)(void);
	const char *want;
	const char *text;

	*(void **)&mode = symbol("pcm_mode");
	*(void **)&rseq_state = symbol("pcm_rseq_state");
	if (mode == NULL || rseq_state == NULL)
		stress_fail("pcmalloc exports no pcm_mode or pcm_rseq_state");
	text = mode();
	percpu = strncmp(text, "per-CPU", strlen("per-CPU")) == 0;
	if (conf == NULL)
		return text;
	if (strstr(conf, "rseq:off") != NULL)
		want = "fallback";
	else if (strstr(conf, "index:mm_cid") != NULL)
		want = "mm_cid";
	else if (strstr(conf, "index:cpu_id") != NULL)
		want = "cpu_id";
	else
		return text;
	if (want[0] != 'f' && !kernel_has_rseq())
		skip("no rseq in this kernel");
	if (want[0] == 'm' && getauxval(RSEQ_FEATURE_SIZE_ENTRY) <
				      RSEQ_SIZE_WITH_MM_CID)
		skip("no mm_cid in this kernel");
	if (strstr(text, want) == NULL)
		stress_fail("%s asked for, the mode is '%s'", conf, text);
	return text;
}

void stress_start(const char *program)
{
	const char *mode = "any allocator";
	char *volatile first;

	name = program;
	read_environment();
	find_cpus();
	/* The mode is known once something has been allocated. */
	first = malloc(1);
	free(first);
	if (!any) {
		check_library();
		mode = check_mode();
	}
	sayf(STDOUT_FILENO, "%s: seed 0x%llx, %g s, %u CPUs, %s\n", name,
	     (unsigned long long)seed, seconds, ncpus, mode);
	watch();
}

int stress_finish(uint64_t nops)
{
	alarm(0);
	sayf(STDOUT_FILENO, "%s: ok, %llu operations\n", name,
	     (unsigned long long)nops);
	return 0;
}

uint64_t stress_seed(void)
{
	return seed;
}

double stress_seconds(void)
{
	return seconds;
}

bool stress_any(void)
{
	return any;
}

unsigned stress_ncpus(void)
{
	return ncpus;
}

int stress_cpu(unsigned nth)
{
	return cpus[nth % ncpus];
}

void *stress_memory(size_t nbytes)
{
	void *p = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		stress_fail("mmap of %zu bytes for the harness failed", nbytes);
	return p;
}

size_t stress_rss(void)
{
	char text[128] = "";
	char *second;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	second = strchr(text, ' ');
	if (second == NULL)
		return 0;
	return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

bool stress_running(void)
{
	return !atomic_load_explicit(&stopped, memory_order_relaxed);
}

void stress_resume(void)
{
	atomic_store(&stopped, false);
}

void stress_sleep(double length)
{
	struct timespec left;

	left.tv_sec = (time_t)length;
	left.tv_nsec = (long)((length - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* Where the process is per-CPU, its threads must be so at their ends. */
static void check_thread(void)
{
	int state;

	if (!percpu)
		return;
	state = rseq_state();
	if (state < STATE_UNARMED || state > STATE_OWN)
		stress_fail("the thread runs without rseq (state %d)", state);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	stress_thread = w->index;
	atomic_store(&w->tid, (pid_t)syscall(SYS_gettid));
	w->run(w);
	check_thread();
	return NULL;
}

void stress_spawn(struct worker *w, int index, void (*run)(struct worker *),
		  void *arg)
{
	w->index = index;
	w->run = run;
	w->arg = arg;
	w->nops = 0;
	w->rng.state = mix64(seed + 0x10001u * (uint64_t)(index + 1));
	atomic_store(&w->tid, 0);
	if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
		stress_fail("pthread_create failed: %s", strerror(errno));
}

uint64_t stress_run(struct worker *w, unsigned n, double length,
		    void (*run)(struct worker *), void *arg)
{
	uint64_t nops = 0;

	stress_resume();
	for (unsigned i = 0; i < n; i++)
		stress_spawn(&w[i], (int)i, run, arg);
	stress_sleep(length);
	atomic_store(&stopped, true);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		nops += w[i].nops;
	}
	return nops;
}

/* One CPU chosen at random, or now and then all of them again. */
static void move(struct prodder *p, pid_t tid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (rng_once_in(&p->rng, 8)) {
		for (unsigned i = 0; i < ncpus; i++)
			CPU_SET(cpus[i], &set);
	} else {
		CPU_SET(cpus[rng_below(&p->rng, ncpus)], &set);
	}
	sched_setaffinity(tid, sizeof(set), &set);
}

static void prod(struct prodder *p)
{
	struct worker *w = &p->workers[rng_below(&p->rng, p->nworkers)];
	int signo = p->signo[rng_below(&p->rng, 2)];
	pid_t tid = atomic_load(&w->tid);

	if (tid == 0)
		return;
	if (p->migrate)
		move(p, tid);
	if (signo != 0)
		syscall(SYS_tgkill, getpid(), tid, signo);
	p->nprods++;
}

static void *prodder_main(void *arg)
{
	struct prodder *p = arg;
	struct timespec nap = { .tv_nsec = 1000 };

	while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		prod(p);
		/* Naps leave the workers a CPU's time to be disturbed in. */
		if (rng_once_in(&p->rng, 4))
			nanosleep(&nap, NULL);
	}
	return NULL;
}

void prod_start(struct prodder *p)
{
	sigset_t all, old;

	p->rng.state = mix64(seed ^ 0x70726f64u);
	atomic_store(&p->stop, false);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&p->thread, NULL, prodder_main, p) != 0)
		stress_fail("pthread_create failed: %s", strerror(errno));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

uint64_t prod_stop(struct prodder *p)
{
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	return p->nprods;
}
