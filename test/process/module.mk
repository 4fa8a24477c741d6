# Processes: one small program or script per behaviour. The programs run on a
# preloaded libpcmalloc.so, in each configuration.

include test/interface/confs.mk

PROCESS := $(B)/test/process
PROCESS_FLAGS = -D_GNU_SOURCE -fno-builtin -Iinclude -Itest/interface \
	-Itest/process -pthread -DPCM_DEBUG=$(DEBUG)

# Programs that run in each configuration.
PROCESS_C := exec_chain address_limit late_limit locked_memory small_stacks lone_fork
# These choose their configuration themselves.
PROCESS_ONCE := environment closed_descriptors resident_code
PROCESS_SCRIPTS := set_user_id bare_root hugepage_modes launcher

PROCESS_SUPPORT := $(PROCESS)/load.o $(B)/test/interface/testing.o

$(PROCESS)/%.o: test/process/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(PROCESS_FLAGS) -MMD -MP -c -o $@ $<

$(addprefix $(PROCESS)/,$(PROCESS_C) $(PROCESS_ONCE)): \
$(PROCESS)/%: $(PROCESS)/%.o $(PROCESS_SUPPORT)
	$(CC) $(CFLAGS) -pthread -o $@ $< $(PROCESS_SUPPORT) -ldl -lrt

$(PROCESS)/small_work: $(PROCESS)/small_work.o
	$(CC) $(CFLAGS) -pthread -o $@ $<

$(PROCESS)/secure_mode: $(PROCESS)/secure_mode.o $(B)/libpcmalloc.a
	$(CC) $(CFLAGS) -static -pthread -o $@ $< $(B)/libpcmalloc.a

PROCESS_IN_CONFS := $(addprefix $(PROCESS)/,$(PROCESS_C))
$(call in_confs,$(PROCESS_IN_CONFS),-p)
$(foreach program,$(addprefix $(PROCESS)/,$(PROCESS_ONCE)),\
	$(eval $(call in_conf,$(program),default,-p)))

# What the others need to be there.
test/process/set_user_id.sh: | $(PROCESS)/secure_mode
test/process/bare_root.sh test/process/hugepage_modes.sh: \
	| $(PROCESS)/small_work $(B)/libpcmalloc.so
test/process/launcher.sh: \
	| $(B)/pcmalloc $(PROCESS)/small_work $(B)/libpcmalloc.so

TESTS += $(call confs_of,$(PROCESS_IN_CONFS)) \
	$(addprefix $(PROCESS)/,$(addsuffix .default,$(PROCESS_ONCE))) \
	$(patsubst %,test/process/%.sh,$(PROCESS_SCRIPTS))

-include $(wildcard $(PROCESS)/*.d)
