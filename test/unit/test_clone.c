/*
 * clone and vfork: a child that shares its parent's TLS uses no section, and
 * the parent goes on as before.
 */
#include "section_lab.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "single_thread.h"
#include "rseq_process.h"
#include "rseq_thread.h"

#define STACK_BYTES 65536

static struct pcm_rseq_area *area_before;
/* What a child saw; it shares the memory. */
static struct pcm_rseq_area *volatile seen_armed;
static volatile uint32_t seen_held;
static volatile bool seen_arm;
static volatile int seen_argument;

static void setup(void)
{
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_AUTO);
	must(pcm_rseq_arm());
	area_before = pcm_rseq_armed;
	seen_armed = area_before;
	seen_arm = true;
}

static void must_be_as_before(void)
{
	must(pcm_rseq_armed == area_before);
	must(pcm_rseq_held == 0);
	must(pcm_rseq_arm());
}

static void look(void)
{
	seen_armed = pcm_rseq_armed;
	seen_held = pcm_rseq_held;
	seen_arm = pcm_rseq_arm();
}

static void must_have_been_disarmed(void)
{
	must(seen_armed == NULL);
	must(seen_held == 1);
	must(!seen_arm);
}

static char *new_stack(void)
{
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(stack != MAP_FAILED);
	return stack + STACK_BYTES;
}

START_TEST(vfork_child)
{
	int status;
	pid_t pid;

	errno = 4711;
	pid = vfork();
	if (pid == 0) {
		look();
		_exit(7);
	}
	must(pid > 0);
	must(errno == 4711);
	must_have_been_disarmed();
	must(waitpid(pid, &status, 0) == pid);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	must_be_as_before();
	must(!atomic_load(&pcm_clone_used));
}
END_TEST

/* Not armed before: not armed after. */
START_TEST(vfork_unarmed)
{
	int status;
	pid_t pid;

	pcm_rseq_armed = NULL;
	pid = vfork();
	if (pid == 0)
		_exit(0);
	must(pid > 0);
	must(pcm_rseq_armed == NULL && pcm_rseq_held == 0);
	must(waitpid(pid, &status, 0) == pid);
	must(pcm_rseq_arm());
}
END_TEST

/* A child of the child: each level comes back as it was. */
START_TEST(vfork_nested)
{
	static volatile uint32_t seen_inner;
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		pid_t inner = vfork();

		if (inner == 0) {
			seen_inner = pcm_rseq_held;
			_exit(0);
		}
		look();
		_exit(inner > 0 && waitpid(inner, &status, 0) == inner ? 0 : 1);
	}
	must(pid > 0);
	must(seen_inner == 2);
	must_have_been_disarmed();
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	must_be_as_before();
}
END_TEST

static int child(void *arg)
{
	seen_argument = *(int *)arg;
	look();
	return 9;
}

static void must_have_run(pid_t pid, int argument)
{
	int status;

	must(pid > 0);
	must(waitpid(pid, &status, __WALL) == pid);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	must(seen_argument == argument);
}

START_TEST(clone_vfork)
{
	int argument = 42;
	pid_t pid = clone(child, new_stack(), CLONE_VM | CLONE_VFORK | SIGCHLD,
			  &argument);

	must_have_run(pid, 42);
	must_have_been_disarmed();
	must_be_as_before();
	must(!atomic_load(&pcm_clone_used));
}
END_TEST

/* Both run at the same time in one TLS: neither is armed again. */
START_TEST(clone_beside)
{
	int argument = 43;
	pid_t pid = clone(child, new_stack(), CLONE_VM | SIGCHLD, &argument);

	must_have_run(pid, 43);
	must_have_been_disarmed();
	must(pcm_rseq_armed == NULL);
	must(pcm_rseq_held == 1);
	must(!pcm_rseq_arm());
	must(pcm_rseq_thread_state() == PCM_RSEQ_THREAD_SHARED_TLS);
	must(atomic_load(&pcm_clone_used));
	must(!pcm_single_threaded());
}
END_TEST

/* Without CLONE_VM it is a fork: nothing to do. */
START_TEST(clone_copy)
{
	int argument = 44, status;
	pid_t pid = clone(child, new_stack(), SIGCHLD, &argument);

	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	must_be_as_before();
	must(!atomic_load(&pcm_clone_used));
}
END_TEST

/* The parent's and the child's id pointers arrive. */
START_TEST(clone_ids)
{
	int argument = 45;
	pid_t in_parent = 0, in_child = 0;
	pid_t pid = clone(child, new_stack(),
			  CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID |
				  CLONE_CHILD_SETTID | SIGCHLD,
			  &argument, &in_parent, NULL, &in_child);

	must_have_run(pid, 45);
	must(in_parent == pid && in_child == pid);
	must_be_as_before();
}
END_TEST

START_TEST(clone_refused)
{
	int argument = 46;

	errno = 0;
	must(clone(NULL, new_stack(), CLONE_VM | SIGCHLD, &argument) == -1);
	must(errno == EINVAL);
	errno = 0;
	must(clone(child, NULL, CLONE_VM | SIGCHLD, &argument) == -1);
	must(errno == EINVAL);
	errno = 0;
	/* The kernel wants CLONE_VM with CLONE_SIGHAND. */
	must(clone(child, new_stack(), CLONE_SIGHAND | SIGCHLD, &argument) ==
	     -1);
	must(errno == EINVAL);
	errno = 0;
	must(clone(child, new_stack(), CLONE_VM | CLONE_THREAD | SIGCHLD,
		   &argument) == -1);
	must(errno == EINVAL);
	must_be_as_before();
}
END_TEST

int main(void)
{
	TCase *tests;

	if (!PCM_RSEQ_HAVE_SECTIONS)
		testing_skip("no sections for this architecture");
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_AUTO);
	if (!pcm_rseq_arm())
		testing_skip("no rseq here");
	tests = unit_begin("clone");
	/* Each test is a fork: its own task, its own id. */
	pcm_rseq_armed = NULL;
	tcase_add_checked_fixture(tests, pcm_rseq_thread_forked, NULL);
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, vfork_child);
	tcase_add_test(tests, vfork_unarmed);
	tcase_add_test(tests, vfork_nested);
	tcase_add_test(tests, clone_vfork);
	tcase_add_test(tests, clone_beside);
	tcase_add_test(tests, clone_copy);
	tcase_add_test(tests, clone_ids);
	tcase_add_test(tests, clone_refused);
	return unit_end();
}
