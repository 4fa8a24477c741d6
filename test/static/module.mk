# Static linking: each test links whole programs with libpcmalloc.a when it
# runs, with one of the toolchains.

STATIC_TESTS := glibc_static_c glibc_static_cxx glibc_static_clang \
	glibc_static_archive musl_static_c

STATIC_SCRIPTS := $(patsubst %,test/static/%.sh,$(STATIC_TESTS))

$(STATIC_SCRIPTS): | $(B)/libpcmalloc.a

TESTS += $(STATIC_SCRIPTS)
