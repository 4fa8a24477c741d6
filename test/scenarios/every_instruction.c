/*
 * Scenarios 8 and 14, at each instruction of the library: a signal handler that
 * allocates and frees, alone and after a migration, or takes the registration
 * away, runs once at every instruction that malloc, free and their kin execute,
 * slow paths included. Inside of a section it must find the section aborted. No
 * block may be handed out twice: each holds a pattern of its own while it is in
 * use.
 *
 * The instructions are found by stepping through the work, in a thread whose
 * area only looks registered: the kernel would abort each section at its first
 * step. To stop at one, its first byte is replaced by hlt, which faults.
 */
#include "rseq_raw.h"
#include "single_step.h"

#if HAVE_SINGLE_STEP

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>

#define TEXT_MAX (1u << 20)
#define HLT 0xf4
#define SMALL 64
#define NSMALL 300
#define MEDIUM 3000
#define NMEDIUM 24
#define NSTASH 8
/* Turns of the work until it goes the same ways each time. */
#define WARM_UP 40
/* Of the instructions that were learnt, how many the work comes by again. */
#define REACHED_MIN 0.75

/* struct rseq_cs of the kernel. */
struct descriptor {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

static struct {
	uintptr_t base, text, end;
	const struct descriptor *const *sections;
	size_t nsections;
} library;

static cpu_set_t allowed;
static unsigned char seen[TEXT_MAX]; /* executed at text + i */
static volatile bool learning;

enum action { ALLOCATE, MIGRATE, UNREGISTER, NACTIONS };
static const char *const action_names[] = { "allocates", "migrates",
					    "unregisters" };

static struct {
	volatile uintptr_t at;
	unsigned char original;
	enum action action;
} trap;

static unsigned long nreached[NACTIONS], nlearnt, ninside;

/* ---- blocks: each begins with a pattern of its own ---- */

#define PATTERN_NBYTES 48

struct block {
	unsigned char *p;
	uint64_t number;
};

static uint64_t last_number;
static struct block small[NSMALL], medium[NMEDIUM], stash[NSTASH];
static void *(*operator_new)(size_t);
static void (*operator_delete)(void *);

static void own(struct block *block, void *p)
{
	must(p);
	block->p = p;
	block->number = ++last_number;
	fill(block->p, PATTERN_NBYTES, block->number);
}

/* What is checked is freed next. */
static void *disown(struct block *block)
{
	void *p = block->p;

	must(filled(block->p, PATTERN_NBYTES, block->number));
	block->p = NULL;
	return p;
}

static void allocate(struct block *block, size_t n, size_t way)
{
	switch (way % 8) {
	case 0:
		own(block, calloc(1, n));
		break;
	case 1:
		own(block, operator_new ? operator_new(n) : malloc(n));
		break;
	case 2:
		own(block, aligned_alloc(64, n));
		break;
	default:
		own(block, malloc(n));
		break;
	}
}

static void release(struct block *block, size_t way)
{
	if (way % 8 == 1 && operator_delete)
		operator_delete(disown(block));
	else
		free(disown(block));
}

static void fill_and_empty(struct block *blocks, size_t nblocks, size_t n)
{
	size_t i;

	for (i = 0; i < nblocks; i++)
		allocate(&blocks[i], n, i);
	for (i = 0; i < nblocks; i += 16)
		own(&blocks[i], realloc(disown(&blocks[i]), 2 * n));
	for (i = 0; i < nblocks; i++)
		release(&blocks[i], i);
}

/* Ends as it began: with nothing in any cache. */
static void work(void)
{
	fill_and_empty(small, NSMALL, SMALL);
	fill_and_empty(medium, NMEDIUM, MEDIUM);
	malloc_trim(0);
}

/* ---- the library: where its code is, and its sections ---- */

static int find_text(struct dl_phdr_info *info, size_t size, void *address)
{
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X) ||
		    (uintptr_t)address - from >= ph->p_memsz)
			continue;
		library.base = info->dlpi_addr;
		library.text = from;
		library.end = from + ph->p_memsz;
		return 1;
	}
	return 0;
}

/* The section headers are in the file only. */
static void find_sections(const char *file)
{
	int fd = open(file, O_RDONLY);
	const char *names, *map;
	const ElfW(Shdr) *sh;
	struct stat st;
	size_t i;

	must(fd >= 0 && fstat(fd, &st) == 0);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	must(map != MAP_FAILED);
	close(fd);
	sh = (const ElfW(Shdr) *)(map + ((const ElfW(Ehdr) *)map)->e_shoff);
	names = map + sh[((const ElfW(Ehdr) *)map)->e_shstrndx].sh_offset;
	for (i = 0; i < ((const ElfW(Ehdr) *)map)->e_shnum; i++) {
		if (strcmp(names + sh[i].sh_name, "__rseq_cs_ptr_array") != 0)
			continue;
		library.sections = (const struct descriptor *const *)(
			library.base + sh[i].sh_addr);
		library.nsections = sh[i].sh_size / sizeof(void *);
	}
	must(library.nsections >= 3);
}

static void find_library(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	Dl_info info;

	must(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info));
	must(dl_iterate_phdr(find_text, info.dli_saddr));
	must(library.end - library.text <= TEXT_MAX);
	find_sections(info.dli_fname);
	library.text &= ~(page - 1);
	must(!mprotect((void *)library.text, library.end - library.text,
		       PROT_READ | PROT_WRITE | PROT_EXEC));
	*(void **)&operator_new = dlsym(RTLD_DEFAULT, "_Znwm");
	*(void **)&operator_delete = dlsym(RTLD_DEFAULT, "_ZdlPv");
}

static const struct descriptor *section_at(uintptr_t ip)
{
	size_t i;

	for (i = 0; i < library.nsections; i++)
		if (ip - library.sections[i]->start <
		    library.sections[i]->length)
			return library.sections[i];
	return NULL;
}

/* ---- the handlers ---- */

static void stepped(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t ip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	(void)sig, (void)info;
	if (learning && ip - library.text < library.end - library.text)
		seen[ip - library.text] = 1;
}

/* Takes blocks first: what is on top of a stack is what tells. */
static void use_malloc(void)
{
	struct block old;
	size_t i;

	for (i = 0; i < NSTASH; i++) {
		old = stash[i];
		stash[i].p = NULL;
		if ((last_number + i) % 4 != 0)
			own(&stash[i], malloc(SMALL));
		if (old.p)
			free(disown(&old));
	}
}

static void move(void)
{
	static int cpu;
	cpu_set_t one;

	do
		cpu = (cpu + 1) % CPU_SETSIZE;
	while (!CPU_ISSET(cpu, &allowed));
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	must(sched_setaffinity(0, sizeof(one), &one) == 0);
}

static void trapped(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *ip = &uc->uc_mcontext.gregs[REG_RIP];
	const struct descriptor *section;
	int error = errno;

	(void)sig, (void)info;
	must(trap.at != 0); /* a fault of the library's */
	*(unsigned char *)trap.at = trap.original;
	section = section_at(trap.at);
	must((uintptr_t)*ip == (section ? section->abort : trap.at));
	trap.at = 0;
	if (trap.action == UNREGISTER)
		must(raw_unregister(raw_used_area(), raw_used_size(),
				    RAW_SIG) == 0);
	else if (trap.action == MIGRATE)
		move();
	use_malloc();
	errno = error;
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO | SA_NODEFER };

	must(!sigaction(sig, &action, NULL));
}

/* ---- learning and running ---- */

static void learn(void)
{
	struct raw_area *area = raw_used_area(), was;
	size_t i;

	move(); /* and stay: the area must not seem to be another CPU's */
	for (i = 0; i < WARM_UP; i++)
		work();
	was = *(volatile struct raw_area *)area;
	must(raw_unregister(area, raw_used_size(), RAW_SIG) == 0);
	area->cpu_id = was.cpu_id;
	area->mm_cid = was.mm_cid;
	learning = true;
	single_step(true);
	work();
	single_step(false);
	learning = false;
	area->cpu_id = -1;
	area->rseq_cs = 0;
	must(raw_register(area, raw_used_size(), RAW_SIG) == 0);
	for (i = 0; i < library.end - library.text; i++) {
		if (!seen[i])
			continue;
		nlearnt++;
		if (section_at(library.text + i))
			ninside++;
	}
}

static bool is_per_cpu(void)
{
	return raw_per_cpu() &&
		raw_is_registered(raw_used_area(), raw_used_size());
}

/* Back on per-CPU caches before each run, also after an unregistration. */
static void must_be_per_cpu(void)
{
	int visits;

	for (visits = 0; !is_per_cpu() && visits < RAW_VISITS_MAX; visits++)
		raw_visit_slow_path();
	must(is_per_cpu());
}

static void stop_at(uintptr_t at, enum action action)
{
	trap.original = *(unsigned char *)at;
	trap.action = action;
	trap.at = at;
	*(volatile unsigned char *)at = HLT;
	work();
	if (trap.at == 0) {
		nreached[action]++;
	} else {
		*(unsigned char *)at = trap.original;
		trap.at = 0;
		must(!section_at(at)); /* those are all come by */
	}
	must_be_per_cpu();
}

static void stop_at_each(enum action action)
{
	size_t i;

	for (i = 0; i < library.end - library.text; i++)
		if (seen[i])
			stop_at(library.text + i, action);
	printf("handler %s: %lu of %lu instructions, %lu of them inside of a "
	       "section\n",
	       action_names[action], nreached[action], nlearnt, ninside);
	must((double)nreached[action] >= REACHED_MIN * (double)nlearnt);
}

/* Which sections the work has come by. */
static void count_sections(void)
{
	size_t i, n = 0;

	for (i = 0; i < library.nsections; i++)
		n += seen[library.sections[i]->start - library.text];
	printf("%zu of the library's %zu sections are executed\n", n,
	       library.nsections);
	must(n >= 3);
}

int main(void)
{
	enum action action;
	size_t i;

	testing_start(110);
	free(malloc(1));
	if (!raw_per_cpu())
		testing_skip("no rseq here");
	must(!sched_getaffinity(0, sizeof(allowed), &allowed));
	find_library();
	handle(SIGTRAP, stepped);
	learn();
	count_sections();
	handle(SIGSEGV, trapped);
	for (action = ALLOCATE; action < NACTIONS; action++)
		stop_at_each(action);
	for (i = 0; i < NSTASH; i++)
		if (stash[i].p)
			free(disown(&stash[i]));
	printf("%lu combinations, all passed\n",
	       nreached[0] + nreached[1] + nreached[2]);
	return 0;
}

#else

int main(void)
{
	testing_skip("no sections for this architecture");
}

#endif
