# pcmalloc in virtual machines with 32 and more CPUs and with the kernels of
# Debian's releases: `make check-vm`, not part of `make check`. Takes minutes,
# much longer where qemu must translate (no usable /dev/kvm).

VM := $(B)/vm
VM_PACKAGES := qemu-system-x86_64:qemu-system-x86 busybox:busybox-static \
	cpio:cpio strip:binutils apt-get:apt \
	/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
VM_SUITES := bullseye bookworm trixie

# Below $(B)/test, as the archive takes them.
VM_SCENARIOS := s01_libc_owns s02_own_registration s08_behind_our_back \
	s12_fork_under_load s12_vfork_children s12_clone_vm s13_cancellation \
	s14_signal_storm s15_affinity s15_cpuset s16_many_threads cpu_ids
VM_PROGRAMS := $(addprefix stress/stress_,twice migrate fork trim pattern) \
	$(addprefix scenarios/,$(VM_SCENARIOS)) vm/vm_slabs vm/vm_fence \
	process/small_work

$(B)/test/vm/%.o: test/vm/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SCENARIO_FLAGS) -MMD -MP -c -o $@ $<

$(addprefix $(B)/test/vm/,vm_slabs vm_fence): \
$(B)/test/vm/%: $(B)/test/vm/%.o $(CPU_SUPPORT)
	$(CC) $(CFLAGS) -pthread -o $@ $< $(CPU_SUPPORT) -ldl -lrt

$(B)/test/vm/vm_patience.so: test/vm/vm_patience.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SCENARIO_FLAGS) -fPIC -shared -o $@ $<

# Fetched once; remove the file to have a newer one.
$(VM)/%/vmlinuz:
	sh test/vm/get_kernel.sh $* $(@D)

$(VM)/initramfs.gz: $(addprefix $(B)/test/,$(VM_PROGRAMS)) \
		$(B)/libpcmalloc.so $(B)/table_16/libpcmalloc.so \
		$(B)/table_64/libpcmalloc.so $(B)/test/vm/vm_patience.so \
		$(wildcard test/vm/*.sh)
	@mkdir -p $(@D)
	PCM_VM_PROGRAMS="$(VM_PROGRAMS)" \
		PCM_VM_LIBGCC=$$($(CC) -print-file-name=libgcc_s.so.1) \
		sh test/vm/make_initramfs.sh $(B) $@

.PHONY: check-vm vm-run
check-vm:
	@$(MAKE) --no-print-directory check-deps
	sh test/install.sh $(VM_PACKAGES)
	@$(MAKE) --no-print-directory vm-run

vm-run: $(VM)/initramfs.gz $(VM_SUITES:%=$(VM)/%/vmlinuz)
	@PCM_BUILD=$(abspath $(B)) sh test/vm/check_vm.sh

# A real kernel for arm64; the programs are those of the matrix.
ARM64_PACKAGES := qemu-system-aarch64:qemu-system-arm cpio:cpio apt-get:apt \
	/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring \
	aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu \
	/usr/aarch64-linux-gnu/lib/libc.a:libc6-dev-arm64-cross

$(VM)/arm64/vmlinuz:
	sh test/vm/get_kernel.sh bookworm $(@D) arm64

.PHONY: check-arm64 arm64-run
check-arm64:
	@$(MAKE) --no-print-directory check-deps
	sh test/install.sh $(ARM64_PACKAGES)
	@$(MAKE) --no-print-directory matrix-libraries arm64-run

arm64-run: $(VM)/arm64/vmlinuz
	@PCM_BUILD=$(abspath $(B)) sh test/vm/check_arm64.sh

-include $(wildcard $(B)/test/vm/*.d)
