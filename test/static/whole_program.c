/*
 * A program in C to be linked with libpcmalloc.a: threads, fork, signals, and
 * every place where libc itself allocates. Prints the mode of pcmalloc.
 */
#include "pattern.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <pcmalloc/pcmalloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#define NTHREADS 4
#define NBLOCKS 300
#define NATEXIT 100 /* more than libc has room for without allocating */

extern char **environ;

static int nexited;
static volatile size_t too_large = SIZE_MAX - 4096;

static void *churn(void *arg)
{
	static __thread unsigned char *p[NBLOCKS];
	static __thread size_t n[NBLOCKS];
	uint64_t state = (uint64_t)(uintptr_t)arg;
	size_t turn, i;

	for (turn = 0; turn < 20000; turn++) {
		i = rnd_between(&state, 0, NBLOCKS - 1);
		must(!p[i] || filled(p[i], n[i], i));
		n[i] = rnd_between(&state, 1, turn % 100 ? 2000 : 400000);
		if (turn % 3) {
			free(p[i]);
			p[i] = malloc(n[i]);
		} else {
			p[i] = realloc(p[i], n[i]);
		}
		must(p[i] && malloc_usable_size(p[i]) >= n[i]);
		fill(p[i], n[i], i);
	}
	for (i = 0; i < NBLOCKS; i++)
		free(p[i]);
	return NULL;
}

static void wait_for(pid_t pid)
{
	int status;

	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

static void *fork_often(void *arg)
{
	int i;

	for (i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(20);
			free(malloc(100));
			free(malloc(1 << 20));
			_exit(0);
		}
		wait_for(pid);
	}
	return arg;
}

static void in_handler(int sig)
{
	(void)sig;
	free(malloc(500));
}

static void threads(void)
{
	pthread_t thread[NTHREADS], forker;
	size_t i;

	must(signal(SIGUSR1, in_handler) != SIG_ERR);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, churn, (void *)i));
	must(!pthread_create(&forker, NULL, fork_often, NULL));
	for (i = 0; i < 100; i++)
		pthread_kill(thread[i % NTHREADS], SIGUSR1);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	must(!pthread_join(forker, NULL));
}

static void spawn(void)
{
	char *argv[] = { "true", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	must(!posix_spawn_file_actions_init(&actions));
	must(!posix_spawn_file_actions_addopen(&actions, 0, "/dev/null",
					       O_RDONLY, 0));
	must(!posix_spawn_file_actions_adddup2(&actions, 0, 5));
	must(!posix_spawn_file_actions_addclose(&actions, 5));
	must(!posix_spawn(&pid, "/bin/true", &actions, NULL, argv, environ));
	must(!posix_spawn_file_actions_destroy(&actions));
	wait_for(pid);
}

static void locales(void)
{
	locale_t one = newlocale(LC_ALL_MASK, "C", (locale_t)0), two;

	must(one);
	two = duplocale(one);
	must(two);
	freelocale(one);
	freelocale(two);
	must(setlocale(LC_ALL, "C"));
}

static void files(void)
{
	char *line = NULL;
	size_t size = 0;
	DIR *dir = opendir("/");
	FILE *file = fopen("/dev/null", "w+"), *text;

	must(dir && readdir(dir) && !closedir(dir));
	must(file && getline(&line, &size, file) < 0 && !fclose(file));
	free(line);
	line = NULL;
	text = open_memstream(&line, &size);
	must(text && fprintf(text, "%0500d", 1) == 500 && !fclose(text));
	must(line && strlen(line) == 500);
	free(line);
}

static void handler_of_fork(void)
{
	free(malloc(10));
}

static void at_exit(void)
{
	free(malloc(100));
	if (++nexited == NATEXIT)
		must(write(1, "ended\n", 6) == 6);
}

/* What else allocates inside libc. */
static void the_rest(void)
{
	char *copy = strdup("text"), name[64];
	time_t now = 1000000000;
	sem_t *sem;
	int i;

	must(copy && strcmp(copy, "text") == 0);
	free(copy);
	snprintf(name, sizeof(name), "/pcmalloc-test-%d", (int)getpid());
	sem = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
	if (sem != SEM_FAILED)
		must(!sem_unlink(name) && !sem_close(sem));
	must(!setenv("TZ", "Europe/Berlin", 1));
	must(localtime(&now));
	for (i = 0; i < 40; i++)
		must(!pthread_atfork(handler_of_fork, handler_of_fork,
				     handler_of_fork));
	for (i = 0; i < NATEXIT; i++)
		must(!atexit(at_exit));
}

int main(void)
{
	alarm(60);
	must(strcmp(pcm_version(), PCM_VERSION_STRING) == 0);
	the_rest();
	spawn();
	locales();
	files();
	churn((void *)7);
	threads();
	must(!malloc(too_large) && errno == ENOMEM);
	printf("%s\n", pcm_mode());
	fflush(stdout);
	return 0;
}
