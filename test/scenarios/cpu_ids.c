/*
 * Prints how many CPU ids the kernel can give: the bits of its masks, so that
 * the number may be rounded up, to 64 at least. No part of it is the library's.
 */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	static unsigned long mask[16384];
	long nbytes = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);

	if (nbytes <= 0)
		return 1;
	printf("%ld\n", nbytes * 8);
	return 0;
}
