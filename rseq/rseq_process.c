/*
 * rseq_process.c - discovery: is there rseq, whose is it, which index.
 */
#include "rseq_process.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

#include "compiler.h"
#include "raw_syscall.h"
#include "rseq_section.h"

struct pcm_rseq_process pcm_rseq_process;

uintptr_t pcm_rseq_index_field = offsetof(struct pcm_rseq_area, cpu_id);

/*
 * glibc >= 2.35 tells here what it has registered. Weak, so that the same
 * binary runs on libcs that have none; the references carry no GLIBC_2.35.
 */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* "6.19.3-arm64" -> 6019003; what is not a number counts as 0. */
static unsigned long
version_number(const char *release)
{
	unsigned long part[3] = { 0, 0, 0 };
	size_t i = 0;

	for (; *release != '\0' && i < PCM_ARRAY_LEN(part); release++) {
		if (*release >= '0' && *release <= '9')
			part[i] = part[i] * 10 + (unsigned long)(*release - '0');
		else if (*release == '.')
			i++;
		else
			break;
	}
	return part[0] * 1000000 + part[1] * 1000 + part[2];
}

bool
pcm_rseq_kernel_broken(const char *machine, const char *release)
{
	const unsigned long first = 6019000, last = 7000013;
	unsigned long version = version_number(release);

	if (strcmp(machine, "aarch64") != 0)
		return false;
	return version >= first && version <= last;
}

static bool
running_kernel_broken(void)
{
#if defined(__aarch64__)
	struct utsname name;

	if (pcm_syscall_failed(pcm_syscall1(SYS_uname, &name)))
		return false;
	return pcm_rseq_kernel_broken(name.machine, name.release);
#else
	return false;
#endif
}

static void
choose_index(enum pcm_rseq_index index)
{
	bool have_cid = getauxval(PCM_AT_RSEQ_FEATURE_SIZE) >=
		PCM_RSEQ_FEATURE_MM_CID;

	if (index != PCM_RSEQ_INDEX_CPU_ID && have_cid) {
		pcm_rseq_process.index = PCM_RSEQ_INDEX_MM_CID;
		pcm_rseq_index_field = offsetof(struct pcm_rseq_area, mm_cid);
	} else {
		pcm_rseq_process.index = PCM_RSEQ_INDEX_CPU_ID;
		pcm_rseq_index_field = offsetof(struct pcm_rseq_area, cpu_id);
	}
}

/*
 * glibc registers at least 32 bytes; from 2.41 on, when the kernel's features
 * need more, the feature size rounded up to the area's alignment.
 */
static uint32_t
libc_registered_size(uint32_t feature_size)
{
	unsigned long align = getauxval(PCM_AT_RSEQ_ALIGN);

	if (feature_size <= PCM_RSEQ_MIN_SIZE)
		return PCM_RSEQ_MIN_SIZE;
	if (align < PCM_RSEQ_MIN_ALIGN)
		align = PCM_RSEQ_MIN_ALIGN;
	return (uint32_t)((feature_size + align - 1) / align * align);
}

static bool
libc_registers(void)
{
	return &__rseq_size != NULL && &__rseq_offset != NULL &&
		__rseq_size != 0;
}

bool
pcm_rseq_libc_area(intptr_t *offset, uint32_t *nbytes)
{
	if (!libc_registers())
		return false;
	*offset = __rseq_offset;
	*nbytes = libc_registered_size(__rseq_size);
	return true;
}

void
pcm_rseq_process_init(bool enable, enum pcm_rseq_index index)
{
	struct pcm_rseq_process *process = &pcm_rseq_process;

	choose_index(index);
	if (!PCM_RSEQ_HAVE_SECTIONS) {
		process->absence = PCM_RSEQ_NO_SECTIONS;
	} else if (!enable) {
		process->absence = PCM_RSEQ_SWITCHED_OFF;
	} else if (running_kernel_broken()) {
		process->absence = PCM_RSEQ_KERNEL_BROKEN;
	} else if (libc_registers()) {
		process->owner = PCM_RSEQ_OWNER_LIBC;
		process->libc_offset = __rseq_offset;
		process->libc_size = libc_registered_size(__rseq_size);
	} else {
		process->owner = PCM_RSEQ_OWNER_SELF;
	}
}

void
pcm_rseq_process_absent(enum pcm_rseq_absence why)
{
	pcm_rseq_process.absence = why;
	pcm_rseq_process.owner = PCM_RSEQ_OWNER_NONE;
}

static const char *
absence_text(enum pcm_rseq_absence why)
{
	switch (why) {
	case PCM_RSEQ_SWITCHED_OFF:
		return "fallback, rseq switched off";
	case PCM_RSEQ_NO_SECTIONS:
		return "fallback, no sections for this architecture";
	case PCM_RSEQ_KERNEL_BROKEN:
		return "fallback, the kernel does not abort sections";
	case PCM_RSEQ_DENIED_BY_OS:
		return "fallback, rseq denied";
	case PCM_RSEQ_TABLE_TOO_SMALL:
		return "fallback, more CPU ids than the table has";
	case PCM_RSEQ_MISALIGNED:
		return "fallback, __rseq_abi is misaligned";
	case PCM_RSEQ_NO_KERNEL:
	case PCM_RSEQ_PRESENT:
		break;
	}
	return "fallback, no rseq in the kernel";
}

const char *
pcm_rseq_mode(void)
{
	bool cid = pcm_rseq_process.index == PCM_RSEQ_INDEX_MM_CID;
	enum pcm_rseq_owner owner = pcm_rseq_process.owner;

	if (pcm_rseq_process.absence == PCM_RSEQ_MISALIGNED)
		owner = PCM_RSEQ_OWNER_NONE;
	switch (owner) {
	case PCM_RSEQ_OWNER_LIBC:
		return cid ? "per-CPU, glibc's registration, mm_cid" :
			     "per-CPU, glibc's registration, cpu_id";
	case PCM_RSEQ_OWNER_SELF:
		return cid ? "per-CPU, own registration, mm_cid" :
			     "per-CPU, own registration, cpu_id";
	case PCM_RSEQ_OWNER_NONE:
		break;
	}
	return absence_text(pcm_rseq_process.absence);
}
