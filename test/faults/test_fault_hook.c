/*
 * test_fault_hook: plans are carried out as they say, and calls are counted.
 */
#include "fault_hook.h"
#include "pattern.h"
#include "sys.h"

static void *map(void)
{
	return pcm_sys_map(pcm_sys_page, pcm_sys_page);
}

static void arm(const char *text)
{
	struct fault_plan plan;

	must(fault_parse(text, &plan));
	fault_arm(&plan);
}

static void parses(void)
{
	struct fault_plan plan;

	must(fault_parse("from:12:munmap", &plan));
	must(plan.mode == FAULT_FROM && plan.n == 12);
	must(plan.kinds == 1u << FAULT_MUNMAP && plan.error == 0);
	must(!fault_parse("from:0", &plan));
	must(!fault_parse("one:1:read", &plan));
	must(!fault_parse("", &plan) && !fault_parse("one:1x", &plan));
}

static void one_fails(void)
{
	size_t before = fault_mapped();
	void *p[3];

	arm("one:2");
	p[0] = map();
	p[1] = map();
	p[2] = map();
	must(p[0] != NULL && p[1] == NULL && p[2] != NULL);
	must(fault_calls(FAULT_ALL) == 3 && fault_failed() == 1);
	must(fault_mapped() == before + 2 * pcm_sys_page);
	must(pcm_sys_unmap(p[0], pcm_sys_page));
	must(pcm_sys_unmap(p[2], pcm_sys_page));
	must(fault_mapped() == before);
}

static void all_fail_from(void)
{
	bool no_memory;
	char *p;

	arm("from:2:mmap");
	p = map();
	must(p != NULL && map() == NULL && map() == NULL);
	p[0] = 1;
	must(pcm_sys_release(p, pcm_sys_page) && p[0] == 0);
	fault_disarm();
	must(pcm_sys_unmap(p, pcm_sys_page));
	p = map();
	must(p != NULL && fault_failed() == 2);
	must(fault_calls(1u << FAULT_MMAP) == 4);
	arm("one:1:madvise");
	p[0] = 1;
	must(!pcm_sys_release(p, pcm_sys_page) && p[0] == 1);
	arm("from:1:mremap");
	must(!pcm_sys_resize(p, pcm_sys_page, 2 * pcm_sys_page));
	must(pcm_sys_move(p, pcm_sys_page, 2 * pcm_sys_page, &no_memory) ==
	     NULL);
	must(no_memory);
	must(fault_failed() == 2);
	fault_disarm();
	must(pcm_sys_unmap(p, pcm_sys_page));
}

int main(void)
{
	pcm_sys_init();
	parses();
	one_fails();
	all_fail_from();
	return 0;
}
