/*
 * The filters of syscall_filter.h.
 *
 * A watched child passes the listening end of its filter to its parent through
 * a socket; the parent answers every call. It does so until nobody is left who
 * could make one.
 */
#include "syscall_filter.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif

/* Room for what a later kernel adds to its messages. */
union message {
	struct seccomp_notif call;
	struct seccomp_notif_resp answer;
	char room[512];
};

/* The socket's ends in a watched child and its parent. */
static int child_end = -1;

/* One architecture only: nothing here runs 32-bit code. */
static long install(long nr, uint32_t answer, unsigned long flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

void filter_install(long nr, uint32_t answer)
{
	must(install(nr, answer, SECCOMP_FILTER_FLAG_TSYNC) == 0);
}

static void send_fd(int socket, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct iovec byte = { "", 1 };
	struct msghdr message = { .msg_iov = &byte,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.room) };

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	must(sendmsg(socket, &message, 0) == 1);
}

/* -1: the other end was closed. */
static int receive_fd(int socket)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec bytes = { &byte, 1 };
	struct msghdr message = { .msg_iov = &bytes,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.room) };
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

void watch_begin(long nr)
{
	long fd = install(nr, SECCOMP_RET_USER_NOTIF,
			  SECCOMP_FILTER_FLAG_NEW_LISTENER |
				  SECCOMP_FILTER_FLAG_TSYNC |
				  SECCOMP_FILTER_FLAG_TSYNC_ESRCH);

	must(fd >= 0);
	send_fd(child_end, (int)fd);
	close((int)fd);
	close(child_end);
}

static void count_call(struct watch *watch, pid_t tid)
{
	unsigned int i = 0;

	watch->ncalls++;
	while (i < watch->ntasks && watch->tasks[i].tid != tid)
		i++;
	if (i == watch->ntasks) {
		must(i < WATCH_NTASKS);
		watch->ntasks++;
		watch->tasks[i].tid = tid;
	}
	watch->tasks[i].ncalls++;
}

/* False: nobody is left. */
static bool serve_call(struct watch *watch, int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	union message call, answer;
	uint64_t args[6];

	memset(&call, 0, sizeof(call));
	memset(&answer, 0, sizeof(answer));
	if (poll(&poll_fd, 1, -1) < 0)
		return errno == EINTR;
	if (!(poll_fd.revents & POLLIN))
		return false;
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &call))
		return errno == EINTR || errno == ENOENT;
	count_call(watch, (pid_t)call.call.pid);
	memcpy(args, call.call.data.args, sizeof(args));
	if (watch->look)
		watch->look(watch, (pid_t)call.call.pid, args);
	answer.answer.id = call.call.id;
	answer.answer.error = -watch->error;
	if (watch->error == 0)
		answer.answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	/* ENOENT: a signal has ended the call. */
	must(ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0 ||
	     errno == ENOENT);
	return true;
}

int watch_child(struct watch *watch, void (*fn)(void *), void *arg)
{
	int ends[2], status, fd;
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		child_end = ends[1];
		fn(arg);
		fflush(stdout);
		_exit(0);
	}
	close(ends[1]);
	fd = receive_fd(ends[0]);
	while (fd >= 0 && serve_call(watch, fd))
		;
	if (fd >= 0)
		close(fd);
	close(ends[0]);
	must(waitpid(pid, &status, 0) == pid);
	return status;
}

unsigned int watch_count(const struct watch *watch, pid_t tid)
{
	unsigned int i;

	for (i = 0; i < watch->ntasks; i++)
		if (watch->tasks[i].tid == tid)
			return watch->tasks[i].ncalls;
	return 0;
}

static void try_to_watch(void *arg)
{
	(void)arg;
	watch_begin(SYS_getppid);
	must(syscall(SYS_getppid) > 0);
}

bool filter_works(const char **why)
{
	struct watch watch = { .error = 0 };
	int saved = dup(2), quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int status;

	dup2(quiet, 2);
	status = watch_child(&watch, try_to_watch, NULL);
	dup2(saved, 2);
	close(saved);
	close(quiet);
	*why = "no seccomp filters with notification here";
	return status == 0 && watch.ncalls == 1;
}
