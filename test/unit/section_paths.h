/*
 * The ways through each section, and what the tests that stop at every
 * instruction of them share: the area, two CPUs, and the count of what was run.
 */
#ifndef PCM_TEST_SECTION_PATHS_H
#define PCM_TEST_SECTION_PATHS_H

#include "section_model.h"
#include "section_trap.h"

/* The thread is not registered when it comes to the section. */
#define GONE NFILLS
#define NSTATES (NFILLS + 1)

extern struct trap_path paths_of[NSECTIONS][NSTATES];

/* What combination is being run, for the report of a failure. */
struct paths_now {
	unsigned long done, inside; /* combinations; those within a section */
	char text[200];
};
extern struct paths_now *paths_now;

/* Before the tests; afterwards: prints the sum, or where it ended. */
void paths_begin(void);
void paths_report(const char *what, bool failed);

/* Arms the thread; learns all ways. False: this machine has no rseq. */
bool paths_init(bool mm_cid);

/* The area of the thread that called paths_init(). */
extern struct pcm_rseq_area *paths_area;

/* The system call, for paths_area or an area of the test's: 0 or -errno. */
long paths_register(struct pcm_rseq_area *area);
long paths_unregister(struct pcm_rseq_area *area);

/*
 * Binds the calling thread to one of two CPUs whose copies differ; false: there
 * is only one. Async-signal-safe.
 */
bool paths_move(void);

/*
 * Is the index mm_cid, and may a test write to it? Linux 7.1 kills for that if
 * more than 32 bytes are registered.
 */
bool paths_cid_writable(void);

const char *paths_state_name(unsigned int state);

#endif
