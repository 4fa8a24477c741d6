/*
 * faults.h - a piece of work, done once for every system call that may fail.
 *
 * A program of this directory is one `struct fault_work` and a main() that
 * calls faults_main(). The work is done first without faults, to count its
 * calls; then in a new process for every plan: the n-th call fails; the n-th
 * and all after it; the same for each kind of call. It goes on whatever malloc
 * returns. Then the fault is over, and in each of these processes must hold:
 *
 *	every block that is alive has kept its contents, so none was given twice
 *	NULL came with ENOMEM, and nothing else changed errno
 *	not more NULLs than failed calls
 *	once all is freed, the statistics are what they were (faults_check.c)
 *	the work can be done again, and now every allocation succeeds
 *
 * Arguments: none, or one plan (fault_hook.h), which is carried out in the
 * process itself. PCM_FAULTS_FULL=1: every n for every kind.
 */
#ifndef PCM_TEST_FAULTS_H
#define PCM_TEST_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault_hook.h"
#include "pattern.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

#define NBANKS 8
#define BANK_BLOCKS 16384

struct block {
	unsigned char *p;
	size_t n;
	uint64_t seed;
};

/* Blocks that are alive, and what is in them. A thread at a time. */
struct bank {
	unsigned n;
	uint64_t state; /* of rnd() */
	struct block block[BANK_BLOCKS];
};

extern struct bank banks[NBANKS];

/* Allocate, check, fill, and put into the bank. False: NULL, as allowed. */
bool bank_malloc(struct bank *bank, size_t n);
bool bank_calloc(struct bank *bank, size_t n);
bool bank_aligned(struct bank *bank, size_t align, size_t n);

/* Resizes block i. False: NULL, the block is as it was; or there is none. */
bool bank_realloc(struct bank *bank, unsigned i, size_t n);

/* Checks and frees block i; the last one takes its place. */
void bank_free(struct bank *bank, unsigned i);

/* Frees every second block. */
void bank_thin(struct bank *bank);
void bank_free_all(struct bank *bank);

/* Every block of the bank has its contents. */
void bank_check(const struct bank *bank);

/* NULLs so far. */
unsigned long bank_nulls(void);

struct fault_work {
	const char *name;
	void (*prepare)(void); /* or NULL: before anything is counted */
	void (*work)(void);
	unsigned kinds; /* of calls that it must make */
	unsigned jobs;	/* how many at a time; 0: one per CPU of two */
	unsigned most;	/* n tried of a plan in the short form; 0: all */
	bool limited;	/* there is a hard limit: NULL without a fault */
	unsigned threads; /* that allocate beside the first */
};

int faults_main(int argc, char **argv, const struct fault_work *work);

/*
 * faults_check.c: what is to be as it was. Threads that want a block of one
 * class at the same time may make a span each: so many may be left without a
 * block.
 */
void faults_check_begin(void);
void faults_check_end(unsigned spare_spans);

#endif
