/*
 * rseq_process: what is found out about rseq once per process, and how it is
 * put into words.
 */
#include "unit.h"

#include <sys/auxv.h>

#include "rseq_abi.h"
#include "rseq_process.h"
#include "rseq_section.h"

extern const unsigned int __rseq_size __attribute__((weak));
extern const ptrdiff_t __rseq_offset __attribute__((weak));

static bool kernel_has_mm_cid(void)
{
	return getauxval(PCM_AT_RSEQ_FEATURE_SIZE) >= PCM_RSEQ_FEATURE_MM_CID;
}

static bool libc_registers(void)
{
	return &__rseq_size && __rseq_size;
}

static const struct {
	const char *release;
	bool broken;
} releases[] = {
	{ "6.18.44", false },	    { "6.18.999-rc3", false },
	{ "6.19.0", true },	    { "6.19", true },
	{ "6.19-rc1", true },	    { "6.19.0-arm64", true },
	{ "6.19.3-arm64", true },   { "6.19.3+deb14-arm64", true },
	{ "6.20.0", true },	    { "6.99.999", true },
	{ "7.0", true },	    { "7.0.0-rc7", true },
	{ "7.0.13", true },	    { "7.0.13-cloud", true },
	{ "7.0.14", false },	    { "7.0.14-rc1", false },
	{ "7.1", false },	    { "7.1.0", false },
	{ "8.0", false },	    { "10.0.1", false },
	{ "6.1.0-44-arm64", false }, { "5.10.0", false },
	{ "4.18", false },	    { "", false },
	{ "unknown", false },	    { "7", true },
	{ "6.19.3.1.2", true },	    { "6.190.0", true },
};

START_TEST(broken_kernels)
{
	const char *release = releases[_i].release;

	ck_assert_msg(pcm_rseq_kernel_broken("aarch64", release) ==
			      releases[_i].broken,
		      "Linux %s on aarch64", release);
	ck_assert_msg(!pcm_rseq_kernel_broken("x86_64", release),
		      "Linux %s on x86_64", release);
	ck_assert_msg(!pcm_rseq_kernel_broken("aarch64_be", release),
		      "Linux %s on another machine", release);
}
END_TEST

START_TEST(index_auto)
{
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_AUTO);
	if (kernel_has_mm_cid()) {
		must(pcm_rseq_process.index == PCM_RSEQ_INDEX_MM_CID);
		must(pcm_rseq_index_field ==
		     offsetof(struct pcm_rseq_area, mm_cid));
	} else {
		must(pcm_rseq_process.index == PCM_RSEQ_INDEX_CPU_ID);
		must(pcm_rseq_index_field ==
		     offsetof(struct pcm_rseq_area, cpu_id));
	}
}
END_TEST

START_TEST(index_cpu_id)
{
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_CPU_ID);
	must(pcm_rseq_process.index == PCM_RSEQ_INDEX_CPU_ID);
	must(pcm_rseq_index_field == offsetof(struct pcm_rseq_area, cpu_id));
}
END_TEST

/* Asked for, but granted only where the kernel has it. */
START_TEST(index_mm_cid)
{
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_MM_CID);
	must((pcm_rseq_process.index == PCM_RSEQ_INDEX_MM_CID) ==
	     kernel_has_mm_cid());
	must((pcm_rseq_index_field == offsetof(struct pcm_rseq_area, mm_cid)) ==
	     kernel_has_mm_cid());
}
END_TEST

START_TEST(owner)
{
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_AUTO);
	if (!PCM_RSEQ_HAVE_SECTIONS) {
		must(pcm_rseq_process.owner == PCM_RSEQ_OWNER_NONE);
	} else if (!libc_registers()) {
		must(pcm_rseq_process.owner == PCM_RSEQ_OWNER_SELF);
	} else {
		must(pcm_rseq_process.owner == PCM_RSEQ_OWNER_LIBC);
		must(pcm_rseq_process.libc_offset == __rseq_offset);
		must(pcm_rseq_process.libc_size >= PCM_RSEQ_MIN_SIZE);
		must(pcm_rseq_process.libc_size >= __rseq_size);
	}
}
END_TEST

START_TEST(switched_off)
{
	if (!PCM_RSEQ_HAVE_SECTIONS)
		return;
	pcm_rseq_process_init(false, PCM_RSEQ_INDEX_AUTO);
	must(pcm_rseq_process.owner == PCM_RSEQ_OWNER_NONE);
	ck_assert_str_eq(pcm_rseq_mode(), "fallback, rseq switched off");
}
END_TEST

static const struct {
	enum pcm_rseq_owner owner;
	enum pcm_rseq_index index;
	const char *mode;
} owned[] = {
	{ PCM_RSEQ_OWNER_LIBC, PCM_RSEQ_INDEX_MM_CID,
	  "per-CPU, glibc's registration, mm_cid" },
	{ PCM_RSEQ_OWNER_LIBC, PCM_RSEQ_INDEX_CPU_ID,
	  "per-CPU, glibc's registration, cpu_id" },
	{ PCM_RSEQ_OWNER_SELF, PCM_RSEQ_INDEX_MM_CID,
	  "per-CPU, own registration, mm_cid" },
	{ PCM_RSEQ_OWNER_SELF, PCM_RSEQ_INDEX_CPU_ID,
	  "per-CPU, own registration, cpu_id" },
};

START_TEST(modes_owned)
{
	pcm_rseq_process.owner = owned[_i].owner;
	pcm_rseq_process.index = owned[_i].index;
	ck_assert_str_eq(pcm_rseq_mode(), owned[_i].mode);
}
END_TEST

static const struct {
	enum pcm_rseq_absence why;
	const char *mode;
} absent[] = {
	{ PCM_RSEQ_SWITCHED_OFF, "fallback, rseq switched off" },
	{ PCM_RSEQ_NO_SECTIONS, "fallback, no sections for this architecture" },
	{ PCM_RSEQ_KERNEL_BROKEN,
	  "fallback, the kernel does not abort sections" },
	{ PCM_RSEQ_NO_KERNEL, "fallback, no rseq in the kernel" },
	{ PCM_RSEQ_DENIED_BY_OS, "fallback, rseq denied" },
};

START_TEST(modes_absent)
{
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_AUTO);
	pcm_rseq_process_absent(absent[_i].why);
	must(pcm_rseq_process.owner == PCM_RSEQ_OWNER_NONE);
	ck_assert_str_eq(pcm_rseq_mode(), absent[_i].mode);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("rseq_process");

	tcase_add_loop_test(tests, broken_kernels, 0,
			    sizeof(releases) / sizeof(releases[0]));
	tcase_add_test(tests, index_auto);
	tcase_add_test(tests, index_cpu_id);
	tcase_add_test(tests, index_mm_cid);
	tcase_add_test(tests, owner);
	tcase_add_test(tests, switched_off);
	tcase_add_loop_test(tests, modes_owned, 0,
			    sizeof(owned) / sizeof(owned[0]));
	tcase_add_loop_test(tests, modes_absent, 0,
			    sizeof(absent) / sizeof(absent[0]));
	return unit_end();
}
