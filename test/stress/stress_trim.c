/*
 * Trim stress: while threads allocate, one calls malloc_trim(0) and
 * pcm_release in a loop, so that CPUs' slabs are stopped, fenced and drained
 * under them, and another reads mallinfo2 and malloc_info. At the end the
 * statistics must agree with what is held, and freed memory must be gone.
 */
#include "stress_blocks.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCAL_BLOCKS 48
#define SHARED_BLOCKS 256
#define NCONTROLLERS 2
#define REPORT_NBYTES ((size_t)256 << 10)
/* What the process holds besides the blocks: stdio, threads, metadata. */
#define USED_SLACK ((size_t)2 << 20)
#define RSS_SLACK ((size_t)48 << 20)
/* One nap in NAP_EVERY steps leaves a CPU idle enough to be parked. */
#define NAP_EVERY 500
#define NAP_MICROSECONDS 300

static size_t (*release)(size_t nbytes);

static void work(struct worker *w)
{
	struct slot *shared = w->arg;
	struct block local[LOCAL_BLOCKS] = { { .p = NULL } };
	struct mix mix = { w->rng, local, LOCAL_BLOCKS, shared, SHARED_BLOCKS };

	while (stress_running()) {
		mix_step(&mix);
		if (rng_once_in(&mix.rng, 8))
			mix_burst(&mix.rng, 400);
		if (rng_once_in(&mix.rng, NAP_EVERY))
			usleep(NAP_MICROSECONDS);
		w->nops++;
	}
	mix_put_all(&mix);
}

static void trim(struct worker *w)
{
	while (stress_running()) {
		malloc_trim(0);
		if (release != NULL && rng_once_in(&w->rng, 4))
			release(rng_below(&w->rng, (size_t)8 << 20));
		if (rng_once_in(&w->rng, 2))
			usleep((useconds_t)rng_below(&w->rng, 200));
		w->nops++;
	}
}

/* What malloc_info has written; a file of our own, so that stdio keeps it. */
struct report {
	char *text;
	size_t n;
};

static ssize_t report_write(void *cookie, const char *buf, size_t n)
{
	struct report *r = cookie;

	if (n > REPORT_NBYTES - r->n)
		stress_fail("malloc_info writes more than %zu bytes",
			    REPORT_NBYTES);
	memcpy(r->text + r->n, buf, n);
	r->n += n;
	return (ssize_t)n;
}

static void check_report(const struct report *r)
{
	const char *end = "</malloc>\n";
	size_t nend = strlen(end);

	if (r->n < nend || memcmp(r->text, "<malloc", 7) != 0 ||
	    memcmp(r->text + r->n - nend, end, nend) != 0)
		stress_fail("malloc_info wrote no <malloc> element: '%.*s'",
			    (int)(r->n < 60 ? r->n : 60),
			    r->text);
}

/*
 * The file is opened before the threads start: under a broken malloc stdio's
 * blocks would be handed out twice too, and the crash hide the report.
 */
static struct report report;
static FILE *report_file;

static void open_report(void)
{
	static char buffer[BUFSIZ];
	cookie_io_functions_t io = { .write = report_write };

	report.text = stress_memory(REPORT_NBYTES);
	report_file = fopencookie(&report, "w", io);
	if (report_file == NULL ||
	    setvbuf(report_file, buffer, _IOFBF, sizeof(buffer)) != 0)
		stress_fail("no file to write malloc_info to");
}

static void inspect(struct worker *w)
{
	while (stress_running()) {
		struct mallinfo2 info = mallinfo2();

		report.n = 0;
		if (malloc_info(0, report_file) != 0 ||
		    fflush(report_file) != 0)
			stress_fail("malloc_info failed");
		check_report(&report);
		w->nops += info.uordblks > 0;
	}
}

static void run(struct worker *w)
{
	if (w->index == 0)
		trim(w);
	else if (w->index == 1)
		inspect(w);
	else
		work(w);
}

/* Nobody else runs: uordblks covers the blocks, and not much more. */
static void check_used(const struct slot *shared)
{
	size_t asked = 0, usable = 0;
	struct mallinfo2 info;

	malloc_trim(0);
	for (unsigned i = 0; i < SHARED_BLOCKS; i++) {
		const struct block *b = &shared[i].block;

		if (b->p == NULL)
			continue;
		asked += b->n;
		usable += malloc_usable_size(b->p);
	}
	info = mallinfo2();
	if (info.uordblks + info.hblkhd < asked ||
	    info.uordblks > usable + usable / 8 + USED_SLACK)
		stress_fail("mallinfo2: uordblks %zu, hblkhd %zu; the blocks "
			    "have %zu bytes, %zu usable", info.uordblks,
			    info.hblkhd, asked, usable);
}

static void check_given_back(size_t before)
{
	size_t after;

	malloc_trim(0);
	after = stress_rss();
	printf("stress_trim: resident %zu KiB before, %zu KiB after\n",
	       before >> 10, after >> 10);
	fflush(stdout);
	if (after > before + RSS_SLACK)
		stress_fail("resident memory is %zu KiB after all was freed "
			    "and trimmed, %zu KiB before", after >> 10,
			    before >> 10);
}

int main(void)
{
	struct worker *workers;
	struct slot *shared;
	unsigned n;
	uint64_t nops;
	size_t before;

	stress_start("stress_trim");
	*(void **)&release = dlsym(RTLD_DEFAULT, "pcm_release");
	if (release == NULL && !stress_any())
		stress_fail("pcmalloc exports no pcm_release");
	n = NCONTROLLERS + 2 * stress_ncpus();
	shared = stress_memory(SHARED_BLOCKS * sizeof(*shared));
	workers = stress_memory(n * sizeof(*workers));
	/*
	 * A replacement without malloc_trim leaves it to libc, whose own heap
	 * nobody has used yet: it is set up without a lock, so once by one.
	 */
	malloc_trim(0);
	open_report();
	before = stress_rss();
	nops = stress_run(workers, n, stress_seconds(), run, shared);
	if (!stress_any())
		check_used(shared);
	mix_drain(shared, SHARED_BLOCKS);
	if (!stress_any())
		check_given_back(before);
	return stress_finish(nops);
}
