/*
 * A set-user-id program: prints whether it runs in secure mode (AT_SECURE) and
 * the mode of pcmalloc. Linked statically with libpcmalloc.a, because a
 * preloaded library is not loaded in secure mode. See set_user_id.sh.
 */
#include "pattern.h"

#include <pcmalloc/pcmalloc.h>
#include <stdlib.h>
#include <sys/auxv.h>

int main(void)
{
	size_t i;

	for (i = 0; i < 3000; i++) {
		void *p = malloc(i * 10);

		must(p);
		fill(p, i * 10, i);
		must(filled(p, i * 10, i));
		free(p);
	}
	printf("secure=%lu mode=%s\n", getauxval(AT_SECURE), pcm_mode());
	return 0;
}
