/*
 * The trivial program: one line through stdio, which makes one malloc. Prints
 * its resident memory at the end.
 */
#include "measure.h"

int main(void)
{
	printf("hello 1\n");
	fflush(stdout);
	measure_print("settled_kib", measure_rss_kib());
	return 0;
}
