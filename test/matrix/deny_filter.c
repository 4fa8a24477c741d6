/*
 * The filter of deny_filter.h.
 */
#include "deny_filter.h"
#include "syscall_filter.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct word {
	const char *text;
	long value;
};

static const struct word calls[] = {
	{ "rseq", SYS_rseq },
	{ "membarrier", SYS_membarrier },
	{ NULL, 0 },
};

static const struct word answers[] = {
	{ "ENOSYS", FILTER_ERROR(ENOSYS) },
	{ "EPERM", FILTER_ERROR(EPERM) },
	{ "KILL", FILTER_KILL },
	{ NULL, 0 },
};

static const struct word *find(const struct word *words, const char *text,
			       size_t len)
{
	for (; words->text; words++)
		if (strlen(words->text) == len &&
		    memcmp(words->text, text, len) == 0)
			return words;
	return NULL;
}

bool deny_parse(struct deny_rules *rules, const char *text, unsigned int len)
{
	const char *sign = memchr(text, '=', len);
	const struct word *call, *answer;

	if (!sign || rules->n == DENY_RULES_MAX)
		return false;
	call = find(calls, text, (size_t)(sign - text));
	answer = find(answers, sign + 1, (size_t)(text + len - sign - 1));
	if (!call || !answer)
		return false;
	rules->rule[rules->n].nr = call->value;
	rules->rule[rules->n].answer = (uint32_t)answer->value;
	rules->n++;
	return true;
}

static void say(const char *text)
{
	if (write(2, text, strlen(text)) < 0)
		_exit(2);
}

/*
 * Makes the call, which without a filter would answer EINVAL, in a child. One
 * that sends no signal at its end is not seen by the program's own wait().
 */
static bool holds(const struct deny_rule *rule)
{
	const struct rlimit no_core = { 0, 0 };
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0);

	if (pid < 0)
		return false;
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		syscall(rule->nr, -1, -1, -1, -1);
		_exit(errno);
	}
	while (waitpid(pid, &status, __WCLONE) != pid)
		if (errno != EINTR)
			return false;
	if (rule->answer == FILTER_KILL)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	return WIFEXITED(status) &&
		WEXITSTATUS(status) == (int)(rule->answer & SECCOMP_RET_DATA);
}

bool deny_install(const struct deny_rules *rules)
{
	unsigned int i;

	for (i = 0; i < rules->n; i++)
		filter_install(rules->rule[i].nr, rules->rule[i].answer);
	for (i = 0; i < rules->n; i++) {
		if (!holds(&rules->rule[i])) {
			say("deny: the filter does not hold\n");
			return false;
		}
	}
	say("deny: the filter holds\n");
	return true;
}
