# Processes: one small program or script per behaviour. The programs run on a
# preloaded libpcmalloc.so, in each configuration.

include test/interface/confs.mk

PROCESS := $(B)/test/process
PROCESS_FLAGS = -D_GNU_SOURCE -fno-builtin -Iinclude -Itest/interface \
	-Itest/process -pthread

# Programs that run in each configuration.
PROCESS_C := fork_under_load fork_handlers threads_by_thousands \
	ifunc_resolvers signal_storm longjmp_from_handler exec_chain \
	address_limit locked_memory vfork_children spawn_under_load clone_vm \
	cancellation main_exits_first small_stacks
PROCESS_CXX := stages
# These choose their configuration themselves.
PROCESS_ONCE := environment closed_descriptors
PROCESS_SCRIPTS := set_user_id bare_root hugepage_modes launcher

PROCESS_SUPPORT := $(PROCESS)/load.o $(B)/test/interface/testing.o

$(PROCESS)/%.o: test/process/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(PROCESS_FLAGS) -MMD -MP -c -o $@ $<

$(PROCESS)/%.o: test/process/%.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(PROCESS_FLAGS) -std=gnu++17 -MMD -MP -c -o $@ $<

$(addprefix $(PROCESS)/,$(PROCESS_C) $(PROCESS_ONCE)): \
$(PROCESS)/%: $(PROCESS)/%.o $(PROCESS_SUPPORT)
	$(CC) $(CFLAGS) -pthread -o $@ $< $(PROCESS_SUPPORT) -ldl -lrt

$(addprefix $(PROCESS)/,$(PROCESS_CXX)): \
$(PROCESS)/%: $(PROCESS)/%.o $(PROCESS_SUPPORT)
	$(CXX) $(CXXFLAGS) -pthread -o $@ $< $(PROCESS_SUPPORT) -ldl -lrt

$(PROCESS)/dlopen_library $(PROCESS)/small_work: $(PROCESS)/%: $(PROCESS)/%.o
	$(CC) $(CFLAGS) -pthread -o $@ $< -ldl

$(PROCESS)/secure_mode: $(PROCESS)/secure_mode.o $(B)/libpcmalloc.a
	$(CC) $(CFLAGS) -static -pthread -o $@ $< $(B)/libpcmalloc.a

# -fno-plt: the resolvers run before the slots of the PLT are relocated.
$(PROCESS)/ifunc_resolvers.o: PROCESS_FLAGS += -fno-plt
$(PROCESS)/ifunc_library.so: test/process/ifunc_library.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fPIC -fno-plt -shared -fno-builtin -o $@ $<

$(PROCESS)/ifunc_resolvers: | $(PROCESS)/ifunc_library.so

PROCESS_IN_CONFS := $(addprefix $(PROCESS)/,$(PROCESS_C) $(PROCESS_CXX))
$(call in_confs,$(PROCESS_IN_CONFS),-p)
$(foreach program,$(addprefix $(PROCESS)/,$(PROCESS_ONCE)),\
	$(eval $(call in_conf,$(program),default,-p)))

# What the others need to be there.
$(PROCESS)/dlopen_library: | $(B)/libpcmalloc.so
test/process/set_user_id.sh: | $(PROCESS)/secure_mode
test/process/bare_root.sh test/process/hugepage_modes.sh: \
	| $(PROCESS)/small_work $(B)/libpcmalloc.so
test/process/launcher.sh: \
	| $(B)/pcmalloc $(PROCESS)/small_work $(B)/libpcmalloc.so

TESTS += $(call confs_of,$(PROCESS_IN_CONFS)) \
	$(addprefix $(PROCESS)/,$(addsuffix .default,$(PROCESS_ONCE))) \
	$(PROCESS)/dlopen_library \
	$(patsubst %,test/process/%.sh,$(PROCESS_SCRIPTS))

-include $(wildcard $(PROCESS)/*.d)
