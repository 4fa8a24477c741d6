/*
 * A storm: threads that work while signals are sent to them and their CPU
 * affinity changes all the time. What a restartable section must survive.
 */
#ifndef PCM_TEST_STORM_H
#define PCM_TEST_STORM_H

#define STORM_THREADS_MAX 32

struct storm {
	unsigned int nthreads;
	double seconds;
	/* Called over and over by thread number `self`, 0 to nthreads - 1. */
	void (*work)(unsigned int self);
	/* Called by the storm's signal in a thread; NULL: nothing to do. */
	void (*interrupt)(unsigned int self);
	/* Called over and over by the caller of storm_run(); NULL: nothing. */
	void (*meanwhile)(void);
};

/* Runs the storm; returns when all its threads have ended. */
void storm_run(const struct storm *storm);

/* Threads for a storm: four for each CPU, within bounds. */
unsigned int storm_threads(void);

/* Binds the calling thread to the CPU that it runs on. */
void storm_pin(void);

#endif
