/*
 * Scenario 11, LD_AUDIT: the program runs on pcmalloc under an audit library,
 * which is in a namespace of its own with a second libc. Once that library's
 * malloc is its libc's, once it brings a second pcmalloc, which meets the
 * threads' registrations as the first one does.
 */
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"
#include "tls_modules.h"

#include <pcmalloc/pcmalloc.h>
#include <pthread.h>
#include <sys/wait.h>

#define NTHREADS 4

static void *in_thread(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;
	struct tls_module module;
	int fd;

	load_steps(200, &state);
	must(tls_module_open(&module, "s11_tls_module.so", &fd));
	must(module.touch((unsigned char)state) == 0);
	hammer(500, state << 40);
	must(dlclose(module.handle) == 0);
	close(fd);
	return arg;
}

static void in_threads(void)
{
	pthread_t thread[NTHREADS];
	size_t i;

	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, in_thread,
				     (void *)(i + 1)));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
}

/*
 * Two pcmallocs share libc's registration; if each makes its own, only the
 * first one gets it, in this thread the other one.
 */
static void must_be_as_wanted(bool two)
{
	const char *conf = getenv("PCMALLOC_CONF");

	if (conf && strstr(conf, "rseq:off"))
		must(!raw_per_cpu());
	else
		must(raw_per_cpu() || (two && !raw_libc_area() &&
				       raw_state() == PCM_RSEQ_FOREIGN));
}

/* Under the audit library. */
static int audited(const char *two)
{
	int status;
	pid_t pid;

	testing_start(40);
	in_threads();
	load_start(-1, 2);
	pid = fork();
	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(20);
		in_threads();
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	load_stop();
	raw_visit_slow_path();
	must_be_as_wanted(strcmp(two, "two") == 0);
	puts("done");
	return 0;
}

static void start_audited(void *name)
{
	char path[PATH_MAX];

	beside_program(path, name);
	must(!setenv("LD_AUDIT", path, 1));
	execl("/proc/self/exe", "s11_audit",
	      strstr(name, "pcmalloc") ? "two" : "one", (char *)NULL);
	_exit(125);
}

static void run_under(const char *library, const char *its_malloc)
{
	static struct child child;
	char *line;

	testing_child(&child, 45, start_audited, (void *)(uintptr_t)library);
	printf("%s:\n%s%s", library, child.err, child.out);
	must(child.status == 0);
	line = strstr(child.err, "audit: ");
	must(line && strstr(line, its_malloc));
	must(strstr(child.out, "done\n"));
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return audited(argv[1]);
	testing_start(100);
	run_under("s11_audit_library.so", "/libc.so.6\n");
	run_under("s11_audit_pcmalloc.so", "/libpcmalloc.so");
	return 0;
}
