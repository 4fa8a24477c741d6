/*
 * A gigabyte that realloc makes, a mebibyte at a time: nothing is copied. A copy
 * would touch the pages of both blocks, which nobody else does here.
 */
#include "testing.h"

#include <sys/resource.h>

#define FIRST (2 * MIB)
#define LAST (1024 * MIB)

/* What is written to each step, at its end, must stay. */
static void mark(char *p, size_t n)
{
	*(size_t *)(p + n - sizeof(size_t)) = n;
}

static void must_be_marked(const char *p, size_t n)
{
	size_t at;

	for (at = FIRST; at <= n; at += MIB)
		must(*(const size_t *)(p + at - sizeof(size_t)) == at);
}

int main(void)
{
	size_t rss, n = FIRST;
	long before;
	char *p;

	testing_start(60);
	p = malloc(n);
	must(p);
	mark(p, n);
	rss = testing_memory("VmRSS");
	before = testing_faults(RUSAGE_SELF);
	while (n < LAST) {
		n += MIB;
		p = realloc(p, n);
		must(p);
		mark(p, n);
	}
	printf("%ld page faults, %zu KiB more\n", testing_faults(RUSAGE_SELF) - before,
	       (testing_memory("VmRSS") - rss) / KIB);
	/* A page for each mark, and the pagemap of the places it has been. */
	must(testing_faults(RUSAGE_SELF) - before < 4 * (long)(LAST / MIB));
	must(testing_memory("VmHWM") - rss < 16 * MIB);
	must_be_marked(p, n);
	free(p);
	return 0;
}
