/*
 * A library of one unused function: what preloading as such costs in memory.
 */
__attribute__((visibility("default"))) int pcm_empty_library(void);

int pcm_empty_library(void)
{
	return 0;
}
