# Faults: a build of the library in which mmap, munmap, mremap, madvise and
# membarrier fail on demand (fault_hook.h), and programs that go on all the same.
# It also checks the order of locks. The programs are made of the library's
# objects.

FAULTS := $(B)/test/faults
FAULTS_FLAGS := -DPCM_FAULTS=1 -UPCM_DEBUG -DPCM_DEBUG=1
FAULTS_CFLAGS = $(LIB_CFLAGS) $(FAULTS_FLAGS) -D_GNU_SOURCE -fno-builtin \
	-Itest/interface -Itest/faults -pthread

FAULTS_LIB_O := $(LIB_C:%.c=$(FAULTS)/obj/%.o) $(LIB_S:%.S=$(FAULTS)/obj/%.o) \
	$(FAULTS)/fault_hook.o
FAULTS_UNITS := test_fault_hook test_leftover test_fence_memory

.SECONDARY: $(FAULTS_UNITS:%=$(FAULTS)/%.o)

$(FAULTS)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(LIB_CFLAGS) $(FAULTS_FLAGS) -c -o $@ $<

$(FAULTS)/obj/%.o: %.S
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(LIB_CFLAGS) $(FAULTS_FLAGS) -c -o $@ $<

$(FAULTS)/%.o: test/faults/%.c
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(FAULTS_CFLAGS) -c -o $@ $<

$(addprefix $(FAULTS)/,$(FAULTS_UNITS)): %: %.o $(FAULTS_LIB_O)
	$(CC) $(CFLAGS) -pthread -o $@ $^ -ldl

TESTS += $(addprefix $(FAULTS)/,$(FAULTS_UNITS))

-include $(FAULTS_LIB_O:.o=.d) $(wildcard $(FAULTS)/*.d)
