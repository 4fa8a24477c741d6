# pcmalloc: the only build entry point. See README.md; `make help` lists targets.
#
# Variables a user sets: CC, CXX, PREFIX, DESTDIR, LIBDIR, B (build directory),
# DEBUG=1 (lock ranks are checked).

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
DEBUG ?= 0
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
# calloc. -fexceptions: std::bad_alloc passes through operator new.
LIB_CFLAGS = $(CFLAGS) -Irseq -Ipercpu -Iallocator -Iinclude -fPIC \
	-fvisibility=hidden -fno-builtin-malloc -fno-plt -fexceptions \
	-fno-strict-aliasing -DPCM_DEBUG=$(DEBUG) -MMD -MP
LIB_LDFLAGS = -shared -Wl,-soname,$(SONAME) -Wl,-z,nodelete -Wl,-z,relro \
	-Wl,-z,now -Wl,--version-script,allocator/pcmalloc.map \
	-Wl,--hash-style=gnu -Wl,--no-undefined

ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))

LIB_C := $(wildcard rseq/*.c percpu/*.c) \
	$(filter-out allocator/launcher.c,$(wildcard allocator/*.c))
LIB_S := $(wildcard rseq/*_$(ARCH).S)
LIB_O := $(LIB_C:%.c=$(B)/obj/%.o) $(LIB_S:%.S=$(B)/obj/%.o)
# operator_new.c looks nothing up at run time in the static library.
STATIC_O := $(filter-out %/operator_new.o,$(LIB_O)) \
	$(B)/obj/allocator/operator_new_static.o

.PHONY: all
all: $(B)/libpcmalloc.so $(B)/libpcmalloc.a $(B)/pcmalloc

$(B)/$(SONAME): $(LIB_O) allocator/pcmalloc.map
	$(CC) $(LIB_LDFLAGS) -o $@ $(LIB_O) $(LDFLAGS)

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

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(LIB_CFLAGS) -c -o $@ $<

$(B)/obj/%.o: %.S
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(LIB_CFLAGS) -c -o $@ $<

$(B)/obj/allocator/operator_new_static.o: allocator/operator_new.c
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(LIB_CFLAGS) -DPCM_STATIC_LIBRARY=1 -c -o $@ $<

-include $(LIB_O:.o=.d) $(B)/obj/allocator/operator_new_static.d
