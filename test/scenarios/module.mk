# Ownership scenarios: who may hold a thread's rseq registration, and what
# happens to it (docs/RSEQ.md has the list). A program is named after the
# scenario that it plays, sNN_*, and runs on a preloaded libpcmalloc.so.

include test/interface/confs.mk

SCENARIOS := $(B)/test/scenarios
SCENARIO_FLAGS = -D_GNU_SOURCE -fno-builtin -Iinclude -Itest/interface \
	-Itest/process -Itest/scenarios -pthread
SCENARIO_SUPPORT := $(addprefix $(SCENARIOS)/,rseq_raw.o hammer.o clone_tls.o) \
	$(B)/test/process/load.o $(B)/test/interface/testing.o

SCENARIO_ALL := mm_cid cpu_id own_mm_cid own_cpu_id

# $(call scenario,NAME,CONFS): test/scenarios/NAME.c is a program that runs in
# each of CONFS (test/interface/confs.mk).
define scenario
$(SCENARIOS)/$(1): $(SCENARIOS)/$(1).o $(SCENARIO_SUPPORT)
	$$(CC) $$(CFLAGS) -pthread -o $$@ $$< $$(SCENARIO_SUPPORT) -ldl -lrt
$(foreach conf,$(2),$(call in_conf,$(SCENARIOS)/$(1),$(conf),-p))
TESTS += $(foreach conf,$(2),$(SCENARIOS)/$(1).$(conf))

endef

$(SCENARIOS)/%.o: test/scenarios/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SCENARIO_FLAGS) -MMD -MP -c -o $@ $<

# A library that a scenario loads: test/scenarios/NAME.c as NAME.so.
$(SCENARIOS)/%.so: test/scenarios/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SCENARIO_FLAGS) -fPIC -shared -o $@ $<

$(eval $(call scenario,s01_libc_owns,mm_cid cpu_id))
include test/scenarios/libcs.mk
include test/scenarios/owners.mk
include test/scenarios/children.mk
include test/scenarios/cpus.mk
include test/scenarios/progress.mk

-include $(wildcard $(SCENARIOS)/*.d)
