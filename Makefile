# pcmalloc: the only build entry point. See README.md; `make help` lists targets.
#
# Variables a user sets: CC, CXX, PREFIX, DESTDIR, LIBDIR, B (build directory),
# DEBUG=1 (lock ranks are checked), PCM_NINDEXES (CPU ids that the table of
# caches has room for), MIX_ALWAYS=1 (spans become mixed whenever they can).

CC ?= gcc
CXX ?= g++
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
AR ?= ar
OBJCOPY ?= objcopy
B ?= build
# However it is given: dependencies are noted by these names.
override B := $(patsubst $(CURDIR)/%,%,$(B))
DEBUG ?= 0
PCM_NINDEXES ?= 8192
MIX_ALWAYS ?= 0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man

VERSION := 0.1.0
SONAME := libpcmalloc.so.0

WARNINGS := -Wall -Wextra -Wundef -Werror
CFLAGS = -std=gnu11 -O2 -g $(WARNINGS)
CXXFLAGS = -std=c++17 -O2 -g $(WARNINGS)

# The library's own flags. -fno-builtin-malloc: calloc must not become a call of
# calloc. -fexceptions: std::bad_alloc passes through operator new. -fdata-sections,
# and --sort-section below: the small variables lie together, on one page that every
# process writes to anyway, and the large tables where PCM_TABLE() says. -ffunction-sections:
# functions that few processes run lie apart from the others, if the linker is GNU ld.
LIB_CFLAGS = $(CFLAGS) -Irseq -Ipercpu -Iallocator -Iinclude -fPIC \
	-fvisibility=hidden -fno-builtin-malloc -fno-plt -fexceptions \
	-fno-strict-aliasing -fdata-sections -ffunction-sections -DPCM_DEBUG=$(DEBUG) \
	-DPCM_NINDEXES=$(PCM_NINDEXES) -DPCM_MIX_ALWAYS=$(MIX_ALWAYS) -MMD -MP
# Part of libc from glibc 2.34 on, and of musl; wanted for weak references.
LIB_LIBS := -Wl,--no-as-needed -ldl -lpthread
LIB_LDFLAGS = -shared -Wl,-soname,$(SONAME) -Wl,-z,nodelete -Wl,-z,relro \
	-Wl,-z,now -Wl,--version-script,allocator/pcmalloc.map \
	-Wl,--sort-section=name -Wl,--hash-style=gnu \
	-Wl,--no-undefined -Wl,-Bsymbolic-functions \
	$(if $(filter GNU-ld,$(LINKER)),-Wl$(COMMA)-T$(COMMA)$(LAYOUT))
# GNU-ld, GNU-gold, LLD-14.0.6, mold-...: others do not insert into their own script.
LINKER = $(shell $(CC) $(LDFLAGS) -Wl,--version -x c /dev/null 2>/dev/null | \
	sed -n '1s/^\([^ ]*\) \([^ ]*\).*/\1-\2/p')
LAYOUT := allocator/layout.ld
COMMA := ,

ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))

LIB_C := $(wildcard rseq/*.c percpu/*.c) \
	$(filter-out allocator/launcher.c,$(wildcard allocator/*.c))
LIB_S := $(wildcard rseq/*_$(ARCH).S)
LIB_O := $(LIB_C:%.c=$(B)/obj/%.o) $(LIB_S:%.S=$(B)/obj/%.o)
# These look names up at run time, but not in the static library.
LOOKUP_C := allocator/operator_new.c rseq/single_thread.c
STATIC_O := $(filter-out $(LOOKUP_C:%.c=$(B)/obj/%.o),$(LIB_O)) \
	$(LOOKUP_C:%.c=$(B)/obj/%_static.o)

# The tests and benchmarks add to TESTS and define targets of their own.
TESTS :=

.PHONY: all
all: $(B)/libpcmalloc.so $(B)/libpcmalloc.a $(B)/pcmalloc

$(B)/$(SONAME): $(LIB_O) allocator/pcmalloc.map $(LAYOUT)
	$(CC) $(LIB_LDFLAGS) -o $@ $(LIB_O) $(LDFLAGS) $(LIB_LIBS)

$(B)/libpcmalloc.so: $(B)/$(SONAME)
	ln -sf $(SONAME) $@

# One object, so that whoever needs malloc gets fork handling, vfork() and
# operator new along with it; internal names are made local.
$(B)/libpcmalloc.a: $(STATIC_O)
	$(CC) -r -nostdlib -o $(B)/obj/pcmalloc_all.o $(STATIC_O)
	$(OBJCOPY) --localize-hidden $(B)/obj/pcmalloc_all.o
	rm -f $@
	$(AR) rcs $@ $(B)/obj/pcmalloc_all.o

$(B)/pcmalloc: allocator/launcher.c $(B)/libpcmalloc.so
	$(CC) $(CFLAGS) -Iinclude -DLIBDIR='"$(LIBDIR)"' -o $@ $< $(LDFLAGS)

# How the library is compiled: it is anew when that changes, as with DEBUG=1. What is
# installed is what was built, however that was.
$(B)/flags: $(if $(filter install,$(MAKECMDGOALS)),,FORCE)
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(LIB_CFLAGS)' | cmp -s - $@ || \
		printf '%s\n' '$(CC) $(LIB_CFLAGS)' >$@

.PHONY: FORCE
FORCE:

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(LIB_CFLAGS) -c -o $@ $<

$(B)/obj/%.o: %.S $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(LIB_CFLAGS) -c -o $@ $<

$(B)/obj/%_static.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(LIB_CFLAGS) -DPCM_STATIC_LIBRARY=1 -c -o $@ $<

-include $(LIB_O:.o=.d) $(STATIC_O:.o=.d)

# ---------------------------------------------------------------- install ---

MAN1 := docs/man/pcmalloc.1
MAN3 := docs/man/pcmalloc.3

# Where it goes. The launcher looks for the library in LIBDIR, and pcmalloc.pc names
# it, so both are made for it.
TO_LIB = $(DESTDIR)$(LIBDIR)
TO_INCLUDE = $(DESTDIR)$(INCLUDEDIR)/pcmalloc
TO_BIN = $(DESTDIR)$(BINDIR)
TO_MAN = $(DESTDIR)$(MANDIR)

# As root, and not into a tree to be packaged, the dynamic linker is told.
.PHONY: install uninstall
install: all
	install -d "$(TO_LIB)/pkgconfig" "$(TO_BIN)" "$(TO_INCLUDE)" \
		"$(TO_MAN)/man1" "$(TO_MAN)/man3"
	install -m 755 $(B)/$(SONAME) "$(TO_LIB)/$(SONAME)"
	ln -sf $(SONAME) "$(TO_LIB)/libpcmalloc.so"
	install -m 644 $(B)/libpcmalloc.a "$(TO_LIB)/libpcmalloc.a"
	rm -f $(B)/pcmalloc.pc $(B)/pcmalloc.installed
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' allocator/pcmalloc.pc.in \
		>$(B)/pcmalloc.pc
	install -m 644 $(B)/pcmalloc.pc "$(TO_LIB)/pkgconfig/pcmalloc.pc"
	install -m 644 include/pcmalloc/pcmalloc.h "$(TO_INCLUDE)/pcmalloc.h"
	$(CC) $(CFLAGS) -Iinclude -DLIBDIR='"$(LIBDIR)"' \
		-o $(B)/pcmalloc.installed allocator/launcher.c $(LDFLAGS)
	install -m 755 $(B)/pcmalloc.installed "$(TO_BIN)/pcmalloc"
	install -m 644 $(MAN1) "$(TO_MAN)/man1/pcmalloc.1"
	install -m 644 $(MAN3) "$(TO_MAN)/man3/pcmalloc.3"
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then \
		PATH=$$PATH:/sbin:/usr/sbin ldconfig || :; fi

uninstall:
	rm -f "$(TO_LIB)/$(SONAME)" "$(TO_LIB)/libpcmalloc.so" \
		"$(TO_LIB)/libpcmalloc.a" "$(TO_LIB)/pkgconfig/pcmalloc.pc" \
		"$(TO_INCLUDE)/pcmalloc.h" "$(TO_BIN)/pcmalloc" \
		"$(TO_MAN)/man1/pcmalloc.1" "$(TO_MAN)/man3/pcmalloc.3"
	-rmdir "$(TO_INCLUDE)" 2>/dev/null

# ------------------------------------------------------------------- tests ---

include $(wildcard test/*/module.mk bench/module.mk)

# `make check` and `make demo` install what they lack before they build; the
# compiler too, which is why they build through a second make.
.PHONY: check check-deps check-run demo
check-deps:
	sh test/install.sh $(CC):gcc $(CXX):g++ ld:binutils \
		/usr/include/stdlib.h:libc6-dev /usr/include/check.h:check \
		"/usr/lib/*/libsubunit.so:libsubunit-dev" \
		pkg-config:pkg-config musl-gcc:musl-tools strace:strace gdb:gdb

check: check-deps
	@$(MAKE) --no-print-directory check-run

check-run: all $(TESTS)
	@PCM_BUILD=$(abspath $(B)) sh test/run.sh $(TESTS)

demo:
	sh test/install.sh $(CC):gcc ld:binutils \
		/usr/include/stdlib.h:libc6-dev
	@$(MAKE) --no-print-directory all
	@PCM_BUILD=$(abspath $(B)) sh bench/demo.sh

.PHONY: clean help
clean:
	rm -rf $(B)

help:
	@echo "make                 the library, static library and launcher, in $(B)/"
	@echo "make demo            real programs without and with pcmalloc"
	@echo "make check           every test (a few minutes)"
	@echo "make check-programs  install and run all real programs, at length"
	@echo "make check-stress    a minute of every stress in every mode"
	@echo "make check-fork      10,000 forks under load, three times"
	@echo "make check-faults    every failure of every memory system call"
	@echo "make check-matrix    every libc, sandbox and tool (root; half an hour)"
	@echo "make check-vm        32 and more CPUs, Linux 5.10, 6.1, 6.12 (qemu)"
	@echo "make check-arm64     a real arm64 kernel (qemu)"
	@echo "make measure         the measures in docs/MEASURES.md"
	@echo "make measure-hugepages  thp:auto under always, madvise, never (root)"
	@echo "make bench           patterns and real programs against other mallocs"
	@echo "make bench-full      the same at length, threads, system calls, micro"
	@echo "make bench-list      the tests, and which cannot run here"
	@echo "make bench-report    tables and plots again, from the result files"
	@echo "make bench-compare   BASE=rev: what is slower or bigger than it was"
	@echo "make bench-micro     micro-benchmarks (google-benchmark)"
	@echo "make install         PREFIX=/usr/local DESTDIR="
	@echo "make uninstall       the same places"
	@echo "make clean           remove $(B)/"
