/*
 * The ways through the sections; see section_paths.h.
 */
#include "section_paths.h"

#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "raw_syscall.h"
#include "rseq_process.h"
#include "rseq_thread.h"

struct trap_path paths_of[NSECTIONS][NSTATES];
struct paths_now *paths_now;
struct pcm_rseq_area *paths_area;

static struct {
	enum section section;
	struct pcm_rseq_area area;
	void *in;
} learning;

static void call(void)
{
	void *out;

	section_run(learning.section, &learning.area, learning.in, &out);
}

static void learn(enum section section, unsigned int state)
{
	static const void *const functions[] = { (const void *)lab_pop,
						 (const void *)lab_push,
						 (const void *)lab_exchange,
						 (const void *)lab_pop_spare,
						 (const void *)lab_push_spare };
	struct trap_path *path = &paths_of[section][state];

	model_init(state == GONE ? model_typical(section) :
				   (enum model_fill)state);
	memset(&learning.area, 0, sizeof(learning.area));
	if (state == GONE)
		learning.area.cpu_id = -1;
	learning.section = section;
	learning.in = model_input(section);
	trap_learn(path, functions[section], call,
		   (const volatile uintptr_t *)&lab_copies[0].word[LAB_WORD]);
	path->descriptor = (const struct lab_descriptor *)(uintptr_t)
				   learning.area.rseq_cs;
}

bool paths_init(bool mm_cid)
{
	unsigned int section, state;

	pcm_rseq_process_init(true, mm_cid ? PCM_RSEQ_INDEX_MM_CID :
					     PCM_RSEQ_INDEX_CPU_ID);
	if (!pcm_rseq_arm())
		return false;
	paths_area = pcm_rseq_armed;
	trap_init();
	for (section = 0; section < NSECTIONS; section++)
		for (state = 0; state < NSTATES; state++)
			learn((enum section)section, state);
	return true;
}

static size_t length_of(const struct pcm_rseq_area *area)
{
	if (area == paths_area &&
	    pcm_rseq_process.owner == PCM_RSEQ_OWNER_LIBC)
		return pcm_rseq_process.libc_size;
	return sizeof(*area);
}

long paths_register(struct pcm_rseq_area *area)
{
	return pcm_syscall4(SYS_rseq, area, length_of(area), 0, PCM_RSEQ_SIG);
}

long paths_unregister(struct pcm_rseq_area *area)
{
	return pcm_syscall4(SYS_rseq, area, length_of(area),
			    PCM_RSEQ_FLAG_UNREGISTER, PCM_RSEQ_SIG);
}

bool paths_cid_writable(void)
{
	return pcm_rseq_process.index == PCM_RSEQ_INDEX_MM_CID &&
		length_of(paths_area) <= sizeof(*paths_area);
}

/* Two CPUs that the process may use, with different copies; -1: none. */
static void find_cpus(int cpus[2])
{
	cpu_set_t allowed;
	int cpu;

	cpus[0] = cpus[1] = -1;
	must(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		if (cpus[0] < 0)
			cpus[0] = cpu;
		else if (cpus[1] < 0 && (cpu - cpus[0]) % MODEL_COPIES != 0)
			cpus[1] = cpu;
	}
}

bool paths_move(void)
{
	static int cpus[2] = { -1, -1 };
	static int turn;
	cpu_set_t one;

	if (cpus[0] < 0)
		find_cpus(cpus);
	if (cpus[1] < 0)
		return false;
	turn = !turn;
	CPU_ZERO(&one);
	CPU_SET(cpus[turn], &one);
	must(sched_setaffinity(0, sizeof(one), &one) == 0);
	must(sched_getcpu() == cpus[turn]);
	return true;
}

void paths_begin(void)
{
	paths_now = mmap(NULL, sizeof(*paths_now), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(paths_now != MAP_FAILED);
}

void paths_report(const char *what, bool failed)
{
	if (failed)
		printf("%s: failed, the last combination was: %s\n", what,
		       paths_now->text);
	else
		printf("%s: %lu combinations, %lu of them inside of a "
		       "section, all passed\n",
		       what, paths_now->done, paths_now->inside);
}

const char *paths_state_name(unsigned int state)
{
	return state == GONE ? "unregistered" : model_fill_names[state];
}
