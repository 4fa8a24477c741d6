/*
 * The helpers of testing.h. They use the public interface of pcmalloc through
 * dlsym, so that a program that runs on another malloc says so and fails,
 * instead of not starting.
 */
#include "testing.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

/* Bytes of struct rseq up to and with mm_cid. */
#define RSEQ_SIZE_WITH_MM_CID 28

static char complaint[512];

static const char *complain(const char *what, const char *detail)
{
	snprintf(complaint, sizeof(complaint), "%s: %s", what, detail);
	return complaint;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t n = strlen(text), k = strlen(suffix);

	return n >= k && strcmp(text + n - k, suffix) == 0;
}

static const char *check_origin(void)
{
	const char *so = getenv("PCM_SO");
	const char *base;
	struct stat a, b;
	Dl_info info;

	if (!dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) || !info.dli_fname)
		return "malloc belongs to no object";
	base = strrchr(info.dli_fname, '/');
	base = base ? base + 1 : info.dli_fname;
	if (!has_prefix(base, "libpcmalloc.so"))
		return complain("malloc belongs to", info.dli_fname);
	if (so && (stat(so, &a) || stat(info.dli_fname, &b) ||
		   a.st_dev != b.st_dev || a.st_ino != b.st_ino))
		return complain("malloc is not PCM_SO's but", info.dli_fname);
	if (!dlsym(RTLD_DEFAULT, "pcm_version"))
		return "pcm_version is not there";
	return NULL;
}

/* Does the kernel know rseq? EINVAL or EBUSY or EPERM: yes. */
static bool kernel_has_rseq(void)
{
	return syscall(SYS_rseq, NULL, 0, 0, 0) == 0 || errno != ENOSYS;
}

static const char *check_mode(void)
{
	const char *conf = getenv("PCMALLOC_CONF");
	const char *(*mode_of)(void);
	const char *mode;

	*(void **)&mode_of = dlsym(RTLD_DEFAULT, "pcm_mode");
	if (!mode_of)
		return "pcm_mode is not there";
	mode = mode_of();
	if (!conf)
		conf = "";
	if (strstr(conf, "rseq:off"))
		return strcmp(mode, "fallback, rseq switched off") == 0 ?
			       NULL :
			       complain("wrong mode under rseq:off", mode);
	if (!kernel_has_rseq())
		return NULL;
	if (!has_prefix(mode, "per-CPU, "))
		return complain("wrong mode, rseq is there", mode);
	if (strstr(conf, "index:cpu_id") && !has_suffix(mode, ", cpu_id"))
		return complain("wrong mode under index:cpu_id", mode);
	if (strstr(conf, "index:mm_cid") &&
	    getauxval(AT_RSEQ_FEATURE_SIZE) >= RSEQ_SIZE_WITH_MM_CID &&
	    !has_suffix(mode, ", mm_cid"))
		return complain("wrong mode under index:mm_cid", mode);
	return NULL;
}

const char *testing_identity(void)
{
	const char *wrong = check_origin();

	return wrong ? wrong : check_mode();
}

uint64_t testing_seed(void)
{
	static uint64_t seed;
	const char *given = getenv("PCM_TEST_SEED");
	struct timespec now;

	if (seed)
		return seed;
	clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
	if (given)
		seed = strtoull(given, NULL, 0);
	printf("seed: PCM_TEST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

static void say_hung(int sig)
{
	static const char text[] = "still running at its time limit\n";

	(void)sig;
	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(3);
	_exit(2);
}

void testing_start(unsigned int limit)
{
	const char *wrong = testing_identity();

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		exit(1);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, say_hung);
	alarm(limit);
	testing_seed();
}

void testing_skip(const char *why)
{
	printf("%s\n", why);
	exit(TEST_SKIPPED);
}

static void become_child(int out, int err, unsigned int limit,
			 void (*fn)(void *), void *arg)
{
	const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGALRM, SIG_DFL);
	alarm(limit);
	if (dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	fn(arg);
	fflush(stdout);
	_exit(0);
}

/* Reads what is there; returns false at the end of the file. */
static bool collect(int fd, char *text, size_t size, size_t *len)
{
	char rest[512];
	ssize_t n;

	if (*len + 1 < size)
		n = read(fd, text + *len, size - 1 - *len);
	else
		n = read(fd, rest, sizeof(rest));
	if (n < 0)
		return errno == EINTR;
	if (*len + 1 < size)
		*len += (size_t)n;
	return n > 0;
}

static void collect_both(struct child *child, int out, int err)
{
	struct pollfd fds[2] = { { out, POLLIN, 0 }, { err, POLLIN, 0 } };

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && !collect(out, child->out,
					       sizeof(child->out),
					       &child->out_len))
			fds[0].fd = -1;
		if (fds[1].revents && !collect(err, child->err,
					       sizeof(child->err),
					       &child->err_len))
			fds[1].fd = -1;
	}
}

void testing_child(struct child *child, unsigned int limit, void (*fn)(void *),
		   void *arg)
{
	int out[2], err[2];
	pid_t pid;

	memset(child, 0, sizeof(*child));
	fflush(stdout);
	must(pipe2(out, O_CLOEXEC) == 0);
	must(pipe2(err, O_CLOEXEC) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		become_child(out[1], err[1], limit, fn, arg);
	close(out[1]);
	close(err[1]);
	collect_both(child, out[0], err[0]);
	close(out[0]);
	close(err[0]);
	while (waitpid(pid, &child->status, 0) < 0)
		must(errno == EINTR);
}

/* Finds "FIELD:   N kB" in @path without allocating. */
static size_t read_kib(const char *path, const char *field)
{
	char text[8192], *line;
	size_t len = 0, k = strlen(field);
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (len < sizeof(text) - 1) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	text[len] = '\0';
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, field, k) == 0 && line[k] == ':')
			return strtoul(line + k + 1, NULL, 10) * KIB;
	}
	return 0;
}

size_t testing_memory(const char *field)
{
	return read_kib("/proc/self/status", field);
}

size_t testing_rollup(const char *field)
{
	return read_kib("/proc/self/smaps_rollup", field);
}

long testing_faults(int who)
{
	struct rusage usage;

	must(getrusage(who, &usage) == 0);
	return usage.ru_minflt;
}

double testing_cpu_seconds(void)
{
	struct timespec now;

	must(!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now));
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void testing_wait_for(pid_t pid)
{
	int status;

	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		fprintf(stderr, "child: status %x (e: it hung)\n",
			(unsigned int)status);
	must(status == 0);
}

int testing_nthreads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int n = 0;

	must(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

double testing_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
