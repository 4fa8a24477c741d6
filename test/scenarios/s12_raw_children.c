/*
 * Scenario 12, children made by a bare system call: vfork and clone(CLONE_VM)
 * behind libc's back, so behind pcmalloc's. Such a child runs with a TLS that
 * says it is registered, which nobody can tell on the fast path. What holds:
 * as long as no other task of the address space allocates at the same time,
 * parent and child may. The same for a fork that runs no handlers.
 */
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define STACK_SIZE ((size_t)256 * 1024)
#define NROUNDS 60
#define TURNS 400

static unsigned char *by_parent, *by_child;

__attribute__((noinline)) static void live_as_child(void)
{
	uint64_t state = 4;

	must(filled(by_parent, 2000, 1));
	free(by_parent);
	hammer_moving(TURNS, 2);
	load_steps(20, &state);
	by_child = calloc(1, 3000);
	must(by_child);
	fill(by_child, 3000, 2);
}

static int in_task(void *arg)
{
	(void)arg;
	live_as_child();
	return 0;
}

#if defined(__x86_64__)

/* Nothing of the parent's frame is written between the call and the end. */
__attribute__((noinline)) static pid_t bare_vfork(void)
{
	long pid;

	__asm__ volatile("syscall"
			 : "=a"(pid)
			 : "0"(SYS_vfork)
			 : "rcx", "r11", "memory");
	if (pid == 0) {
		live_as_child();
		_exit(0);
	}
	return (pid_t)pid;
}

/* in_task() on @stack; the parent waits for its end. */
__attribute__((noinline)) static pid_t bare_clone(char *stack)
{
	long pid;

	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "xorl %%edi, %%edi\n\t"
			 "call *%%rbx\n\t"
			 "movl %%eax, %%edi\n\t"
			 "movl %[exit], %%eax\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(pid)
			 : "0"(SYS_clone),
			   "D"(CLONE_VM | CLONE_VFORK | SIGCHLD), "S"(stack),
			   "d"(NULL), "b"(in_task), [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory");
	return (pid_t)pid;
}

#endif

/* No handler of fork() runs, neither libc's nor pcmalloc's. */
static pid_t bare_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		live_as_child();
		_exit(0);
	}
	return pid;
}

static void begin(void)
{
	by_parent = malloc(2000);
	must(by_parent);
	fill(by_parent, 2000, 1);
}

static void end(pid_t pid, bool shared)
{
	int status;

	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	if (shared) {
		must(filled(by_child, 3000, 2));
		free(by_child);
	} else {
		must(filled(by_parent, 2000, 1));
		free(by_parent);
	}
	hammer(TURNS, 3);
}

int main(void)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	uint64_t state = 8;
	bool per_cpu;
	int i;

	testing_start(40);
	must(stack != MAP_FAILED && hammer_ncpus() > 0);
	raw_visit_slow_path();
	per_cpu = raw_per_cpu();
	for (i = 0; i < NROUNDS; i++) {
#if defined(__x86_64__)
		begin();
		end(bare_vfork(), true);
		begin();
		end(bare_clone(stack + STACK_SIZE), true);
#endif
		begin();
		end(bare_fork(), false);
		load_steps(10, &state);
		raw_visit_slow_path();
		must(raw_per_cpu() == per_cpu);
	}
	load_clear();
	munmap(stack, STACK_SIZE);
	return 0;
}
