/*
 * Runs a program in which system calls are refused from its start (rules:
 * deny_filter.h):
 *
 *	deny_calls CALL=ANSWER... PROGRAM ARGS...
 */
#include "deny_filter.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct deny_rules rules = { .n = 0 };
	int i = 1;

	while (i < argc && deny_parse(&rules, argv[i], strlen(argv[i])))
		i++;
	if (i == argc || rules.n == 0) {
		fprintf(stderr, "usage: deny_calls CALL=ANSWER... PROGRAM\n");
		return 2;
	}
	if (!deny_install(&rules))
		return 2;
	execvp(argv[i], argv + i);
	perror(argv[i]);
	return 127;
}
