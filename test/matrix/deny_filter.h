/*
 * Seccomp filters that refuse single system calls as sandboxes do. What is
 * refused is a list of rules in words:
 *
 *	rseq=ENOSYS membarrier=EPERM rseq=KILL
 *
 * KILL ends the whole process with SIGSYS.
 */
#ifndef PCM_TEST_DENY_FILTER_H
#define PCM_TEST_DENY_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#define DENY_RULES_MAX 4

struct deny_rule {
	long nr;
	uint32_t answer; /* as for filter_install() */
};

struct deny_rules {
	struct deny_rule rule[DENY_RULES_MAX];
	unsigned int n;
};

/* Adds the rule that @text[0 .. len-1] is; false: no such call or answer. */
bool deny_parse(struct deny_rules *rules, const char *text, unsigned int len);

/*
 * Puts the filters on all threads of the process, for ever, and tries every
 * rule out in a child. Returns false if one does not hold. Says so on fd 2, and
 * also if all do. Allocates nothing.
 */
bool deny_install(const struct deny_rules *rules);

#endif
