/*
 * test_leftover: what munmap refuses is dropped, counted, and unmapped later.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "fault_hook.h"
#include "leftover.h"
#include "limit.h"
#include "pattern.h"
#include "reclaim.h"
#include "sys.h"

#define NBYTES ((size_t)3 << 20)
#define MANY 100

static void arm(enum fault_kind kind, enum fault_mode mode)
{
	const struct fault_plan plan = { mode, 1u << kind, 1, 0 };

	fault_arm(&plan);
}

static char *make(size_t nbytes)
{
	char *p = pcm_sys_map(nbytes, pcm_sys_page);

	must(p != NULL);
	memset(p, 0x55, nbytes);
	return p;
}

static bool has_memory(char *p)
{
	unsigned char vec;

	must(mincore(p, pcm_sys_page, &vec) == 0);
	return vec & 1;
}

/* Its memory goes, but for the page that it is kept by. */
static void is_dropped(void)
{
	size_t before = fault_mapped(), held = pcm_limit_held();
	char *p = make(NBYTES);

	arm(FAULT_MUNMAP, FAULT_ONE);
	must(pcm_sys_unmap(p, NBYTES));
	must(!has_memory(p + NBYTES / 2));
	must(pcm_leftover_bytes() == NBYTES && pcm_leftover_warm() == 0);
	must(pcm_limit_held() == held);
	must(fault_mapped() == before + NBYTES);
	must(pcm_leftover_retry() == NBYTES);
	must(pcm_leftover_bytes() == 0 && fault_mapped() == before);
	must(pcm_leftover_retry() == 0);
}

/* With all calls failing it keeps its memory, and that counts. */
static void is_counted(void)
{
	const struct fault_plan all = { FAULT_FROM, FAULT_ALL, 1, 0 };
	size_t before = fault_mapped(), held = pcm_limit_held();
	char *p = make(NBYTES);

	fault_arm(&all);
	must(!pcm_sys_unmap(p, NBYTES));
	must(has_memory(p + NBYTES / 2));
	must(pcm_leftover_bytes() == NBYTES && pcm_leftover_warm() == NBYTES);
	must(pcm_limit_held() == held + NBYTES);
	must(!pcm_reclaim());
	fault_disarm();
	must(pcm_reclaim());
	must(pcm_leftover_bytes() == 0 && pcm_leftover_warm() == 0);
	must(pcm_limit_held() == held && fault_mapped() == before);
}

/* A retry that fails is soon over, and forgets none. */
static void many(void)
{
	static char *p[MANY];
	size_t before = fault_mapped();
	unsigned i;

	for (i = 0; i < MANY; i++)
		p[i] = make(2 * pcm_sys_page);
	arm(FAULT_MUNMAP, FAULT_FROM);
	for (i = 0; i < MANY; i++)
		must(pcm_sys_unmap(p[i], 2 * pcm_sys_page));
	must(pcm_leftover_retry() == 0);
	must(fault_failed() < MANY + MANY / 2);
	must(pcm_leftover_bytes() == MANY * 2 * pcm_sys_page);
	fault_disarm();
	must(pcm_leftover_retry() == MANY * 2 * pcm_sys_page);
	must(pcm_leftover_bytes() == 0 && fault_mapped() == before);
}

int main(void)
{
	free(malloc(1)); /* everything is set up */
	is_dropped();
	is_counted();
	many();
	return 0;
}
