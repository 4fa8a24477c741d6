/* A library with so much thread-local memory that freeing it is noticed. */
#define NBYTES (20 << 20)
#define PAGE 4096

void use_tls(void);

static __thread char memory[NBYTES];

void use_tls(void)
{
	for (int i = 0; i < NBYTES; i += PAGE)
		((volatile char *)memory)[i] = 1;
}
