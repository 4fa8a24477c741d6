/*
 * Scenario 17: the program that s17_debugger.sh runs under gdb. Its functions
 * are where s17_debugger.gdb stops; they stay what they look like.
 */
#include "rseq_raw.h"

#define NBLOCKS 2

__attribute__((noinline, used)) void *call_malloc(size_t n);
__attribute__((noinline, used)) void call_free(void *p);
__attribute__((noinline, used)) void begin_record(void);
__attribute__((noinline, used)) void end_record(void);

void *call_malloc(size_t n)
{
	void *p = malloc(n);

	must(p);
	return p;
}

void call_free(void *p)
{
	free(p);
	__asm__ volatile("" : : : "memory");
}

void begin_record(void)
{
	__asm__ volatile("nop" : : : "memory");
}

void end_record(void)
{
	__asm__ volatile("nop" : : : "memory");
}

static void work(size_t n)
{
	void *p[NBLOCKS];
	size_t i;

	for (i = 0; i < NBLOCKS; i++)
		p[i] = call_malloc(n);
	for (i = 0; i < NBLOCKS; i++)
		call_free(p[i]);
}

int main(void)
{
	testing_start(100);
	work(64);
	begin_record();
	work(64);
	end_record();
	must(raw_per_cpu());
	puts("done");
	return 0;
}
