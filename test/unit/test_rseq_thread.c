/*
 * rseq_thread: arming a thread, losing the registration, getting it back, and
 * being refused in each of the ways there are.
 */
#include "section_lab.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "rseq_process.h"
#include "rseq_thread.h"

/* More calls than any backoff: afterwards a refused thread has tried again. */
#define MANY 32

static struct pcm_rseq_area other_area;
static struct pcm_rseq_area *libc_area;
static uint32_t libc_size;

static bool register_raw(struct pcm_rseq_area *area, uint32_t nbytes)
{
	return syscall(SYS_rseq, area, nbytes, 0, PCM_RSEQ_SIG) == 0;
}

static bool unregister_raw(struct pcm_rseq_area *area, uint32_t nbytes)
{
	return syscall(SYS_rseq, area, nbytes, PCM_RSEQ_FLAG_UNREGISTER,
		       PCM_RSEQ_SIG) == 0;
}

static struct pcm_rseq_area *libc_area_here(void)
{
	return (struct pcm_rseq_area *)((uintptr_t)__builtin_thread_pointer() +
					(uintptr_t)pcm_rseq_process.libc_offset);
}

static unsigned long refused(void)
{
	struct pcm_rseq_counts counts;

	pcm_rseq_counts_get(&counts);
	return counts.refused;
}

/* Can the calling thread's sections do anything? */
static bool sections_work(void)
{
	void *obj = NULL;

	lab_init();
	lab_all_to(0);
	lab_fill(0, 4, 1);
	return pcm_rseq_armed && lab_pop(pcm_rseq_armed, &obj) &&
	       obj == (void *)1;
}

/* Does glibc register rseq here? */
static bool libc_owned(void)
{
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_AUTO);
	return pcm_rseq_process.owner == PCM_RSEQ_OWNER_LIBC &&
	       libc_area_here()->cpu_id >= 0;
}

static void setup(void)
{
	must(libc_owned());
	libc_area = libc_area_here();
	libc_size = pcm_rseq_process.libc_size;
}

START_TEST(fresh)
{
	must(pcm_rseq_armed == NULL);
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_UNARMED);
	must(pcm_rseq_hint() == -1);
	must(!pcm_rseq_denied());
	must(refused() == 0);
}
END_TEST

START_TEST(libc_registration)
{
	struct pcm_rseq_counts counts;

	errno = 4711;
	must(pcm_rseq_arm());
	must(errno == 4711);
	must(pcm_rseq_armed == libc_area);
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_LIBC);
	must(pcm_rseq_hint() >= 0);
	must(!pcm_rseq_denied());
	must(sections_work());
	must(pcm_rseq_arm());
	pcm_rseq_counts_get(&counts);
	must(counts.armed == 1 && counts.rearmed == 0 && counts.refused == 0);
}
END_TEST

/* glibc's registration is taken away; the slow path gets it back. */
START_TEST(lost_and_found)
{
	struct pcm_rseq_counts counts;
	unsigned int i;

	must(pcm_rseq_arm());
	for (i = 1; i <= 20; i++) {
		must(unregister_raw(libc_area, libc_size));
		must(!sections_work());
		must(pcm_rseq_hint() == -1);
		errno = 4711;
		must(pcm_rseq_arm());
		must(errno == 4711);
		must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_LIBC);
		must(pcm_rseq_armed == libc_area);
		must(sections_work());
		pcm_rseq_counts_get(&counts);
		must(counts.armed == 1 && counts.rearmed == i);
	}
}
END_TEST

/* A dangling rseq_cs would kill the thread at the next preemption. */
START_TEST(dirty_rseq_cs)
{
	must(pcm_rseq_arm());
	must(unregister_raw(libc_area, libc_size));
	libc_area->rseq_cs = 0x1000;
	must(pcm_rseq_arm());
	must(libc_area->rseq_cs == 0);
	usleep(1000);
	must(sections_work());
}
END_TEST

START_TEST(own_registration)
{
	must(unregister_raw(libc_area, libc_size));
	pcm_rseq_process.owner = PCM_RSEQ_OWNER_SELF;
	must(pcm_rseq_arm());
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_OWN);
	must(pcm_rseq_armed != NULL && pcm_rseq_armed != libc_area);
	must((uintptr_t)pcm_rseq_armed % PCM_RSEQ_MIN_ALIGN == 0);
	must(sections_work());
	must(unregister_raw(pcm_rseq_armed, sizeof(struct pcm_rseq_area)));
	must(!sections_work());
	must(pcm_rseq_arm());
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_OWN);
	must(sections_work());
}
END_TEST

/* Somebody else's area: refused, seldom tried again, in the end recovered. */
START_TEST(foreign_owner)
{
	unsigned long tries;
	unsigned int i;

	must(pcm_rseq_arm());
	must(unregister_raw(libc_area, libc_size));
	must(register_raw(&other_area, sizeof(other_area)));
	must(!pcm_rseq_arm());
	must(pcm_rseq_armed == NULL);
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_FOREIGN);
	must(!pcm_rseq_denied());
	must(refused() == 1);
	for (i = 0; i < MANY; i++)
		must(!pcm_rseq_arm());
	tries = refused();
	for (i = 0; i < 10 * MANY; i++)
		must(!pcm_rseq_arm());
	tries = refused() - tries;
	must(tries >= 10 && tries <= 10 * MANY / 4);
	must(unregister_raw(&other_area, sizeof(other_area)));
	for (i = 0; i < MANY && !pcm_rseq_arm(); i++)
		;
	must(i < MANY);
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_LIBC);
	must(sections_work());
}
END_TEST

/* The backoff starts anew after the thread was armed. */
START_TEST(backoff_starts_anew)
{
	unsigned int i;

	must(unregister_raw(libc_area, libc_size));
	must(register_raw(&other_area, sizeof(other_area)));
	for (i = 0; i < MANY; i++)
		must(!pcm_rseq_arm());
	must(unregister_raw(&other_area, sizeof(other_area)));
	for (i = 0; i < MANY && !pcm_rseq_arm(); i++)
		;
	must(unregister_raw(libc_area, libc_size));
	must(register_raw(&other_area, sizeof(other_area)));
	must(!pcm_rseq_arm());
	must(unregister_raw(&other_area, sizeof(other_area)));
	must(pcm_rseq_arm());
}
END_TEST

/* From here on rseq(2) fails with `error` in this process. */
static void deny_rseq(unsigned int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rseq, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = PCM_ARRAY_LEN(filter),
				      .filter = filter };

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static const struct {
	unsigned int error;
	const char *mode;
} denials[] = {
	{ ENOSYS, "fallback, no rseq in the kernel" },
	{ EPERM, "fallback, rseq denied" },
};

/* The process never had rseq: the process's mode says so. */
START_TEST(denied_from_the_start)
{
	unsigned int i;

	must(unregister_raw(libc_area, libc_size));
	deny_rseq(denials[_i].error);
	must(!pcm_rseq_arm());
	must(pcm_rseq_denied());
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_DENIED);
	ck_assert_str_eq(pcm_rseq_mode(), denials[_i].mode);
	for (i = 0; i < MANY; i++)
		must(!pcm_rseq_arm());
	must(pcm_rseq_denied());
	must(refused() == 1); /* for good: not tried again */
}
END_TEST

/* Denied in the middle of a run: this thread only, and no second try. */
START_TEST(denied_later)
{
	const char *mode;
	unsigned int i;

	must(pcm_rseq_arm());
	mode = pcm_rseq_mode();
	must(unregister_raw(libc_area, libc_size));
	deny_rseq(denials[_i].error);
	for (i = 0; i < MANY; i++)
		must(!pcm_rseq_arm());
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_DENIED);
	must(pcm_rseq_denied());
	must(pcm_rseq_armed == NULL);
	must(refused() == 1);
	ck_assert_str_eq(pcm_rseq_mode(), mode);
}
END_TEST

START_TEST(no_rseq_in_process)
{
	pcm_rseq_process = (struct pcm_rseq_process){ 0 };
	pcm_rseq_process_init(false, PCM_RSEQ_INDEX_AUTO);
	must(!pcm_rseq_arm());
	must(pcm_rseq_armed == NULL);
	must(pcm_rseq_denied());
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_OFF);
	must(pcm_rseq_hint() == -1);
}
END_TEST

/* While another task may use this TLS nobody arms; afterwards again. */
START_TEST(held)
{
	must(pcm_rseq_arm());
	pcm_rseq_held = 1;
	must(!pcm_rseq_arm());
	must(pcm_rseq_armed == NULL);
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_SHARED_TLS);
	must(!pcm_rseq_denied());
	pcm_rseq_held = 0;
	must(pcm_rseq_arm());
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_LIBC);
	must(sections_work());
}
END_TEST

/* A task with another id than its TLS knows is not the TLS's owner. */
static int child_of_fork(void)
{
	pcm_rseq_armed = NULL;
	must(!pcm_rseq_arm());
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_SHARED_TLS);
	must(pcm_rseq_armed == NULL);
	pcm_rseq_thread_forked();
	must(pcm_rseq_arm());
	must(sections_work());
	return 0;
}

START_TEST(another_task)
{
	int status;
	pid_t pid;

	must(pcm_rseq_arm());
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		_exit(child_of_fork());
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}
END_TEST

/* fork() hands the registration on: nothing to do in the child. */
START_TEST(forked)
{
	int status;
	pid_t pid;

	must(pcm_rseq_arm());
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		must(sections_work());
		pcm_rseq_thread_forked();
		must(unregister_raw(libc_area, libc_size));
		must(pcm_rseq_arm());
		must(sections_work());
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}
END_TEST

static void *thread_main(void *arg)
{
	(void)arg;
	must(pcm_rseq_armed == NULL);
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_UNARMED);
	must(pcm_rseq_arm());
	must(pcm_rseq_armed == libc_area_here());
	return NULL;
}

START_TEST(threads)
{
	struct pcm_rseq_counts counts;
	pthread_t thread[40];
	unsigned int i;

	must(pcm_rseq_arm());
	for (i = 0; i < PCM_ARRAY_LEN(thread); i++)
		must(pthread_create(&thread[i], NULL, thread_main, NULL) == 0);
	for (i = 0; i < PCM_ARRAY_LEN(thread); i++)
		must(pthread_join(thread[i], NULL) == 0);
	pcm_rseq_counts_get(&counts);
	must(counts.armed == PCM_ARRAY_LEN(thread) + 1);
	must(counts.rearmed == 0 && counts.refused == 0);
	must(pcm_rseq_armed == libc_area);
}
END_TEST

int main(void)
{
	TCase *tests;

	if (!PCM_RSEQ_HAVE_SECTIONS)
		testing_skip("no sections for this architecture");
	if (!libc_owned())
		testing_skip("libc registers no rseq here");
	tests = unit_begin("rseq_thread");
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, fresh);
	tcase_add_test(tests, libc_registration);
	tcase_add_test(tests, lost_and_found);
	tcase_add_test(tests, dirty_rseq_cs);
	tcase_add_test(tests, own_registration);
	tcase_add_test(tests, foreign_owner);
	tcase_add_test(tests, backoff_starts_anew);
	tcase_add_loop_test(tests, denied_from_the_start, 0, 2);
	tcase_add_loop_test(tests, denied_later, 0, 2);
	tcase_add_test(tests, no_rseq_in_process);
	tcase_add_test(tests, held);
	tcase_add_test(tests, another_task);
	tcase_add_test(tests, forked);
	tcase_add_test(tests, threads);
	return unit_end();
}
