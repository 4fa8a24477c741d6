/*
 * Scenario 12, posix_spawn, system and popen, which clone inside libc, from
 * several threads while others work. What they start runs on pcmalloc too.
 */
#include "load.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#define NTURNS 30
#define NTHREADS 3

extern char **environ;

static void spawn_file_actions(void)
{
	char *argv[] = { "sh", "-c", "read x </dev/null; test $((6 * 7)) = 42",
			 NULL };
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	must(!posix_spawn_file_actions_init(&actions));
	must(!posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0));
	must(!posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ));
	must(!posix_spawn_file_actions_destroy(&actions));
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

static void spawn_what_is_not_there(void)
{
	char *argv[] = { "nothing", NULL };
	pid_t pid;

	must(posix_spawnp(&pid, "no-such-program-at-all", NULL, NULL, argv,
			  environ) == ENOENT);
}

static void read_from_popen(void)
{
	char line[100] = "";
	FILE *out = popen("echo one two three", "r");

	must(out);
	must(fgets(line, sizeof(line), out));
	must(strcmp(line, "one two three\n") == 0);
	must(pclose(out) == 0);
}

static void *start_programs(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;
	int i;

	for (i = 0; i < NTURNS; i++) {
		spawn_file_actions();
		spawn_what_is_not_there();
		read_from_popen();
		load_steps(20, &state);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[NTHREADS];
	size_t i;

	testing_start(60);
	must(system("exit 0") == 0);
	load_start(-1, 2);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, start_programs,
				     (void *)i));
	for (i = 0; i < NTURNS; i++)
		must(system("exit 3") == 3 << 8);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	load_stop();
	return 0;
}
