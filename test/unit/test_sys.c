/*
 * sys: the memory system calls, raw.
 */
#include "unit.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sys.h"

static bool is_mapped(void *p)
{
	unsigned char vec;

	return mincore(p, 1, &vec) == 0;
}

static unsigned int npages_resident(char *p, size_t nbytes)
{
	static unsigned char vec[65536];
	unsigned int n = 0;
	size_t i;

	must(mincore(p, nbytes, vec) == 0);
	for (i = 0; i < nbytes / pcm_sys_page; i++)
		n += vec[i] & 1;
	return n;
}

START_TEST(page_size)
{
	must(pcm_sys_page == (size_t)sysconf(_SC_PAGESIZE));
}
END_TEST

START_TEST(round_up)
{
	must(pcm_round_up(0, 16) == 0);
	must(pcm_round_up(1, 16) == 16);
	must(pcm_round_up(16, 16) == 16);
	must(pcm_round_up(17, 4096) == 4096);
	must(pcm_round_up(SIZE_MAX - 4095, 4096) == SIZE_MAX - 4095);
}
END_TEST

/* Aligned, zero, and nothing left around it. */
START_TEST(mapped)
{
	size_t align, n;

	for (align = pcm_sys_page; align <= (size_t)1 << 30; align *= 2) {
		for (n = pcm_sys_page; n <= (size_t)4 << 20; n *= 4) {
			char *p = pcm_sys_map(n, align);

			must(p != NULL && (uintptr_t)p % align == 0);
			must(p[0] == 0 && p[n - 1] == 0);
			p[0] = p[n - 1] = 1;
			must(pcm_sys_unmap(p, n));
			must(!is_mapped(p) && !is_mapped(p + n - 1 -
						(n - 1) % pcm_sys_page));
		}
	}
}
END_TEST

START_TEST(nothing_left_behind)
{
	size_t before = testing_memory("VmSize");
	unsigned int i;

	for (i = 0; i < 200; i++) {
		char *p = pcm_sys_map(PCM_HUGEPAGE, PCM_HUGEPAGE << i % 8);

		must(p != NULL);
		must(testing_memory("VmSize") - before <=
		     PCM_HUGEPAGE + (1 << 20));
		must(pcm_sys_unmap(p, PCM_HUGEPAGE));
	}
	must(testing_memory("VmSize") - before < (1 << 20));
}
END_TEST

START_TEST(too_much)
{
	errno = 4711;
	must(pcm_sys_map(SIZE_MAX & ~(size_t)4095, 4096) == NULL);
	must(pcm_sys_map((size_t)1 << 62, 4096) == NULL);
	must(pcm_sys_map((size_t)1 << 62, (size_t)1 << 62) == NULL);
	must(pcm_sys_map(4096, (size_t)1 << 62) == NULL);
	must(pcm_sys_map(PTRDIFF_MAX & ~(size_t)4095, (size_t)1 << 40) == NULL);
	must(errno == 4711);
}
END_TEST

START_TEST(released)
{
	size_t n = 64 * pcm_sys_page;
	char *p = pcm_sys_map(n, pcm_sys_page);

	memset(p, 0x55, n);
	must(npages_resident(p, n) == 64);
	must(pcm_sys_release(p + pcm_sys_page, n - 2 * pcm_sys_page));
	must(npages_resident(p, n) == 2);
	must(all_bytes(p, pcm_sys_page, 0x55));
	must(all_bytes(p + pcm_sys_page, n - 2 * pcm_sys_page, 0));
	must(all_bytes(p + n - pcm_sys_page, pcm_sys_page, 0x55));
}
END_TEST

/* Locked pages stay: said so, and nothing has changed. */
START_TEST(not_released)
{
	size_t n = 4 * pcm_sys_page;
	char *p = pcm_sys_map(n, pcm_sys_page);

	memset(p, 0x55, n);
	if (mlock(p, n) != 0)
		return;
	must(!pcm_sys_release(p, n));
	must(all_bytes(p, n, 0x55));
}
END_TEST

START_TEST(resized_in_place)
{
	size_t n = 16 * pcm_sys_page;
	char *p = pcm_sys_map(2 * n, pcm_sys_page);

	memset(p, 0x55, 2 * n);
	must(pcm_sys_resize(p, 2 * n, n));
	must(is_mapped(p) && !is_mapped(p + n));
	must(mmap(p + n, pcm_sys_page, PROT_READ,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + n);
	must(!pcm_sys_resize(p, n, 2 * n)); /* something lies there */
	must(all_bytes(p, n, 0x55));
	must(munmap(p + n, pcm_sys_page) == 0);
	must(pcm_sys_resize(p, n, 2 * n));
	must(all_bytes(p, n, 0x55) && all_bytes(p + n, n, 0));
}
END_TEST

START_TEST(moved)
{
	size_t n = 16 * pcm_sys_page;
	char *p = pcm_sys_map(n, pcm_sys_page), *q;
	bool no_memory;

	memset(p, 0x55, n);
	must(mmap(p + n, pcm_sys_page, PROT_READ,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	q = pcm_sys_move(p, n, (size_t)64 << 20, &no_memory);
	must(q != NULL);
	must(all_bytes(q, n, 0x55) && q[((size_t)64 << 20) - 1] == 0);
	must(q == p || !is_mapped(p));
	must(pcm_sys_move(q, (size_t)64 << 20, (size_t)1 << 62, &no_memory) ==
	     NULL);
	must(all_bytes(q, n, 0x55));
}
END_TEST

START_TEST(resident_pages_are_counted)
{
	size_t n = PCM_HUGEPAGE / pcm_sys_page, i;
	char *p = pcm_sys_map(PCM_HUGEPAGE, PCM_HUGEPAGE);

	pcm_sys_forbid_huge(p, PCM_HUGEPAGE);
	must(pcm_sys_nresident(p, PCM_HUGEPAGE) == 0);
	for (i = 0; i < n / 2; i += 2)
		p[i * pcm_sys_page] = 1;
	must(pcm_sys_nresident(p, PCM_HUGEPAGE) == (n / 2 + 1) / 2);
	must(pcm_sys_nresident(p, pcm_sys_page) == 1);
	must(pcm_sys_nresident(p + pcm_sys_page, pcm_sys_page) == 0);
	pcm_sys_unmap(p, PCM_HUGEPAGE);
	must(pcm_sys_nresident(p, PCM_HUGEPAGE) == 0);
}
END_TEST

/* Either it is done and nothing is lost, or the system says why not. */
START_TEST(collapsed)
{
	char *p = pcm_sys_map(PCM_HUGEPAGE, PCM_HUGEPAGE);
	size_t half = PCM_HUGEPAGE / 2;
	long error;

	memset(p, 0x55, half);
	error = pcm_sys_collapse(p, PCM_HUGEPAGE);
	must(error <= 0);
	must(all_bytes(p, half, 0x55));
	must(error != 0 || pcm_sys_nresident(p, PCM_HUGEPAGE) ==
				   PCM_HUGEPAGE / pcm_sys_page);
	must(all_bytes(p + half, half, 0));
	pcm_sys_forbid_huge(p, PCM_HUGEPAGE);
	pcm_sys_release(p, PCM_HUGEPAGE);
	must(pcm_sys_collapse(p, PCM_HUGEPAGE) < 0);
}
END_TEST

START_TEST(limited)
{
	struct rlimit limit;
	void *p;

	must(getrlimit(RLIMIT_AS, &limit) == 0);
	must(limit.rlim_cur != RLIM_INFINITY || !pcm_sys_limited());
	limit.rlim_cur = (rlim_t)testing_memory("VmSize") + (64 << 20);
	must(setrlimit(RLIMIT_AS, &limit) == 0);
	p = pcm_sys_map(PCM_HUGEPAGE, PCM_HUGEPAGE);
	must(p != NULL && pcm_sys_limited());
	must(pcm_sys_map((size_t)1 << 30, 4096) == NULL);
}
END_TEST

START_TEST(clock_runs)
{
	uint64_t before = pcm_sys_now();

	usleep(50000);
	must(pcm_sys_now() - before >= 30);
	must(pcm_sys_now() - before < 20000);
}
END_TEST

START_TEST(cpus_allowed)
{
	cpu_set_t set;
	unsigned int n;

	must(sched_getaffinity(0, sizeof(set), &set) == 0);
	n = (unsigned int)CPU_COUNT(&set);
	must(pcm_sys_ncpus() == n);
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	must(sched_setaffinity(0, sizeof(set), &set) == 0);
	must(pcm_sys_ncpus() == 1);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("sys");

	tcase_add_test(tests, page_size);
	tcase_add_test(tests, round_up);
	tcase_add_test(tests, mapped);
	tcase_add_test(tests, nothing_left_behind);
	tcase_add_test(tests, too_much);
	tcase_add_test(tests, released);
	tcase_add_test(tests, not_released);
	tcase_add_test(tests, resized_in_place);
	tcase_add_test(tests, moved);
	tcase_add_test(tests, resident_pages_are_counted);
	tcase_add_test(tests, collapsed);
	tcase_add_test(tests, limited);
	tcase_add_test(tests, clock_runs);
	tcase_add_test(tests, cpus_allowed);
	return unit_end();
}
