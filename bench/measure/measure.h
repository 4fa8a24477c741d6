/*
 * What the measured programs share: time, own resident memory, random numbers
 * and output as "name value" lines. Nothing here calls malloc, so that it can
 * be used where malloc is what is measured, or is empty.
 */
#ifndef PCM_BENCH_MEASURE_H
#define PCM_BENCH_MEASURE_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline double measure_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time of the calling thread: other processes do not count. */
static inline double measure_cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline uint64_t measure_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* Keeps the compiler from seeing what becomes of p. */
static inline void measure_use(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

static inline void measure_write(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		_exit(1);
}

static inline void measure_print(const char *name, double value)
{
	char line[128];

	snprintf(line, sizeof(line), "%s %.6f\n", name, value);
	measure_write(STDOUT_FILENO, line);
}

_Noreturn static inline void measure_die(const char *why)
{
	measure_write(STDERR_FILENO, why);
	measure_write(STDERR_FILENO, "\n");
	_exit(1);
}

/* The value of a line of smaps_rollup, in KiB; 0 if it has none. */
static inline double measure_smaps_kib(const char *label)
{
	char text[1024] = "";
	char *line;
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		measure_die("cannot read /proc/self/smaps_rollup");
	close(fd);
	line = strstr(text, label);
	return line != NULL ? strtod(line + strlen(label), NULL) : 0;
}

/*
 * Resident memory in KiB. The sum over the mappings is exact; statm's figure
 * may be off by some pages a CPU.
 */
static inline double measure_rss_kib(void)
{
	return measure_smaps_kib("\nRss:");
}

/* The part of it that is in huge pages. */
static inline double measure_huge_kib(void)
{
	return measure_smaps_kib("\nAnonHugePages:");
}

#endif
