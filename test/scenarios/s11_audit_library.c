/*
 * An audit library (rtld-audit(7)) that allocates in every one of its calls.
 * It lives in a namespace of its own, with a libc of its own, and is called
 * before the program's libraries are relocated, and by every thread that binds
 * a name.
 */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NKEPT 64

static unsigned char *kept[NKEPT];
static unsigned int nkept, nobjects;

static void complain(const char *what)
{
	if (write(2, what, strlen(what)) >= 0)
		_exit(70);
	_exit(71);
}

/* Leaves a block, and looks at the one that was left long ago. */
static void churn(void)
{
	unsigned int i = __atomic_fetch_add(&nkept, 1, __ATOMIC_RELAXED);
	size_t n = 1 + i * 37 % 3000;
	unsigned char *p = malloc(n);

	if (!p)
		complain("audit: no memory\n");
	memset(p, (int)(n % 251), n);
	p = __atomic_exchange_n(&kept[i % NKEPT], p, __ATOMIC_ACQ_REL);
	if (p && (p[0] == 0 && p[1] == 255))
		complain("audit: a block has changed\n");
	free(p);
	free(calloc(i % 50 + 1, 1000));
}

unsigned int la_version(unsigned int version)
{
	churn();
	return version < LAV_CURRENT ? version : LAV_CURRENT;
}

unsigned int la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie)
{
	(void)map, (void)lmid, (void)cookie;
	churn();
	nobjects++;
	return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

unsigned int la_objclose(uintptr_t *cookie)
{
	(void)cookie;
	churn();
	return 0;
}

void la_activity(uintptr_t *cookie, unsigned int flag)
{
	(void)cookie, (void)flag;
	churn();
}

char *la_objsearch(const char *name, uintptr_t *cookie, unsigned int flag)
{
	(void)cookie, (void)flag;
	churn();
	return (char *)(uintptr_t)name;
}

uintptr_t la_symbind64(Elf64_Sym *sym, unsigned int ndx, uintptr_t *refcook,
		       uintptr_t *defcook, unsigned int *flags,
		       const char *symname)
{
	(void)ndx, (void)refcook, (void)defcook, (void)flags, (void)symname;
	churn();
	return sym->st_value;
}

void la_preinit(uintptr_t *cookie)
{
	char line[PATH_MAX + 100];
	Dl_info info;
	int n;

	(void)cookie;
	churn();
	if (!dladdr((void *)(uintptr_t)malloc, &info))
		complain("audit: malloc belongs to no object\n");
	n = snprintf(line, sizeof(line), "audit: %u objects, malloc of %s\n",
		     nobjects, info.dli_fname);
	if (write(2, line, (size_t)n) != n)
		_exit(72);
}
