/*
 * TLS blocks made by hand, for clone() with CLONE_SETTLS: what a runtime does
 * that starts tasks without libc's knowledge. x86-64 with glibc only.
 */
#ifndef PCM_TEST_CLONE_TLS_H
#define PCM_TEST_CLONE_TLS_H

enum clone_tls {
	CLONE_TLS_FRESH, /* the dynamic linker's: every variable as it starts */
	CLONE_TLS_COPY,	 /* of the calling thread's, as it is just now */
	CLONE_TLS_ZERO,	 /* nothing but the pointer to itself */
	CLONE_TLS_NKINDS
};

/*
 * Returns the thread pointer for a new task, or NULL if libc cannot make one.
 * To be called in a thread of pthread_create(): what is copied lies at the end
 * of its stack.
 */
void *clone_tls_new(enum clone_tls kind);
void clone_tls_delete(enum clone_tls kind, void *tls);

#endif
