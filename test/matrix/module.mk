# The matrix of libcs, sandboxes and tools: `make check-matrix`, not part of
# `make check`. Needs root for the root directories; takes minutes.

MATRIX := $(B)/matrix
MATRIX_PACKAGES := debootstrap:debootstrap unshare:util-linux \
	chroot:coreutils valgrind:valgrind musl-gcc:musl-tools perl:perl-base \
	qemu-aarch64:qemu-user aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu \
	/usr/aarch64-linux-gnu/lib/libc.a:libc6-dev-arm64-cross
# In the roots where pcmalloc is built.
MATRIX_ROOT_PACKAGES := gcc g++ make libc6-dev check pkg-config libsubunit-dev
MATRIX_SUITES := bullseye bookworm trixie

matrix_packages_bullseye := $(MATRIX_ROOT_PACKAGES)
matrix_packages_trixie := $(MATRIX_ROOT_PACKAGES)

# Made once; remove the list to have it made again.
$(MATRIX)/roots/%.packages:
	sh test/matrix/make_root.sh $* $(@:.packages=) $(matrix_packages_$*)

.PHONY: check-matrix matrix-run matrix-libraries matrix-interface
check-matrix:
	@[ "$$(id -u)" = 0 ] || { echo "check-matrix needs root"; exit 1; }
	@$(MAKE) --no-print-directory check-deps
	sh test/install.sh $(MATRIX_PACKAGES)
	@$(MAKE) --no-print-directory matrix-libraries \
		$(MATRIX_SUITES:%=$(MATRIX)/roots/%.packages)
	@$(MAKE) --no-print-directory matrix-run

# One binary for all of glibc, and one for each of the others.
matrix-libraries: all
	@$(MAKE) --no-print-directory B=$(MATRIX)/musl CC=musl-gcc \
		$(MATRIX)/musl/libpcmalloc.so $(MATRIX)/musl/libpcmalloc.a
	@$(MAKE) --no-print-directory B=$(MATRIX)/aarch64 \
		CC=aarch64-linux-gnu-gcc OBJCOPY=aarch64-linux-gnu-objcopy \
		AR=aarch64-linux-gnu-ar $(MATRIX)/aarch64/libpcmalloc.a \
		$(MATRIX)/aarch64/libpcmalloc.so

matrix-run:
	@PCM_BUILD=$(abspath $(B)) sh test/matrix/matrix.sh

# The tests of the interface alone, in a root that has little else. Debian 11's
# headers lack mallinfo2.
matrix-interface: INTERFACE_FLAGS += -include test/matrix/malloc_missing.h
# gcc 10 drops a call of operator new whose exception a test wants to see.
matrix-interface: CXXFLAGS += -fno-allocation-dce
matrix-interface: all $(addprefix $(INTERFACE)/,$(INTERFACE_ONCE)) \
		$(call confs_of,$(INTERFACE_IN_CONFS))
	@PCM_BUILD=$(abspath $(B)) sh test/run.sh \
		$(addprefix $(INTERFACE)/,$(INTERFACE_ONCE)) \
		$(call confs_of,$(INTERFACE_IN_CONFS))
