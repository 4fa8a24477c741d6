/*
 * cgroup.h - what the process's control groups allow.
 */
#ifndef PCM_CGROUP_H
#define PCM_CGROUP_H

#include <stddef.h>

struct pcm_cgroup {
	size_t memory; /* bytes; SIZE_MAX: no limit */
	unsigned ncpus; /* CPUs' worth of time, rounded up; UINT_MAX: no limit */
};

/*
 * pcm_cgroup_read() - the least memory.max and memory.high, and the least cpu.max,
 * from the process's group up to the root (cgroup v2; v1's limit_in_bytes and
 * cfs_quota_us of the group itself).
 *
 * groups	"/proc/self/cgroup"
 * root		"/sys/fs/cgroup"
 *
 * What cannot be read is no limit. A dozen system calls, none of them libc's;
 * async-signal-safe.
 */
void pcm_cgroup_read(struct pcm_cgroup *out, const char *groups,
		     const char *root);

#endif
