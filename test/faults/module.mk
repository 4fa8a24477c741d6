# Faults: a build of the library in which mmap, munmap, mremap, madvise and
# membarrier fail on demand (fault_hook.h), and programs that go on all the same.
# It also checks the order of locks. `make check` tries every n-th call of the
# small programs and some of the others; `make check-faults` tries all.
#
# The programs are made of the library's objects, so that they can look at its
# books. The real programs run on a shared library.

include test/interface/confs.mk

FAULTS := $(B)/test/faults
FAULTS_FLAGS := -DPCM_FAULTS=1 -UPCM_DEBUG -DPCM_DEBUG=1
FAULTS_CFLAGS = $(LIB_CFLAGS) $(FAULTS_FLAGS) -D_GNU_SOURCE -fno-builtin \
	-Itest/interface -Itest/faults -pthread

FAULTS_LIB_O := $(LIB_C:%.c=$(FAULTS)/obj/%.o) $(LIB_S:%.S=$(FAULTS)/obj/%.o) \
	$(FAULTS)/fault_hook.o
FAULTS_SUPPORT := $(FAULTS)/faults.o $(FAULTS)/fault_bank.o \
	$(FAULTS)/faults_check.o

FAULTS_UNITS := test_fault_hook test_leftover test_fence_memory \
	test_leafless

# Each with the configurations that it runs in; in `make check` the second only
# where caches make a difference.
FAULTS_WORK := work_small work_batches work_large work_realloc work_calloc \
	work_aligned work_trim work_handler work_threads work_fork
FAULTS_TWICE := work_small work_trim work_threads
TEST_CONF_fault_limit := hard_limit:16M
TEST_CONF_fault_background := background:true

FAULTS_PROGRAMS := $(addprefix $(FAULTS)/,$(FAULTS_WORK) work_limit \
	work_background)
FAULTS_SHORT := $(FAULTS_WORK:%=$(FAULTS)/%.mm_cid) \
	$(FAULTS_TWICE:%=$(FAULTS)/%.fallback) \
	$(FAULTS)/work_limit.fault_limit \
	$(FAULTS)/work_background.fault_background
FAULTS_LONG := $(call confs_of,$(FAULTS_WORK:%=$(FAULTS)/%)) \
	$(FAULTS)/work_limit.fault_limit \
	$(FAULTS)/work_background.fault_background

.SECONDARY: $(FAULTS_PROGRAMS:%=%.o) $(FAULTS_UNITS:%=$(FAULTS)/%.o)

$(FAULTS)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(LIB_CFLAGS) $(FAULTS_FLAGS) -c -o $@ $<

$(FAULTS)/obj/%.o: %.S
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(LIB_CFLAGS) $(FAULTS_FLAGS) -c -o $@ $<

$(FAULTS)/%.o: test/faults/%.c
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(FAULTS_CFLAGS) -c -o $@ $<

$(FAULTS_PROGRAMS): %: %.o $(FAULTS_SUPPORT) $(FAULTS_LIB_O)
	$(CC) $(CFLAGS) -pthread -o $@ $^ -ldl

$(addprefix $(FAULTS)/,$(FAULTS_UNITS)): %: %.o $(FAULTS_LIB_O)
	$(CC) $(CFLAGS) -pthread -o $@ $^ -ldl

$(foreach test,$(sort $(FAULTS_SHORT) $(FAULTS_LONG)),$(eval $(call \
	in_conf,$(basename $(test)),$(subst .,,$(suffix $(test))),)))

# The library itself, for real programs, and who watches it.
$(FAULTS)/libpcmalloc.so: $(FAULTS_LIB_O) $(FAULTS)/fault_crash.o
	$(CC) $(LIB_LDFLAGS) -o $@ $^ $(LDFLAGS) $(LIB_LIBS)

$(FAULTS)/null_watch.so: test/faults/null_watch.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -D_GNU_SOURCE -fno-builtin -fPIC -shared -o $@ $< -ldl

test/faults/real_programs.sh: | $(FAULTS)/libpcmalloc.so \
	$(FAULTS)/null_watch.so

FAULTS_ALWAYS := $(addprefix $(FAULTS)/,$(FAULTS_UNITS)) \
	test/faults/real_programs.sh

TESTS += $(FAULTS_SHORT) $(FAULTS_ALWAYS)

.PHONY: check-faults
check-faults: all $(FAULTS_LONG) $(FAULTS_ALWAYS)
	@PCM_FAULTS_FULL=1 PCM_TEST_TIMEOUT=900 PCM_BUILD=$(abspath $(B)) \
		sh test/run.sh $(FAULTS_LONG) $(FAULTS_ALWAYS)

-include $(FAULTS_LIB_O:.o=.d) $(wildcard $(FAULTS)/*.d)
