# Scenarios of owners: who registers rseq, and who takes it away. Included by
# module.mk, whose rules for objects and libraries it uses.

OWNER_SUPPORT := \
	$(addprefix $(SCENARIOS)/,rseq_raw.o claims.o owner_lab.o \
	syscall_filter.o) \
	$(B)/test/process/load.o $(B)/test/interface/testing.o

# $(call owner_scenario,NAME,CONFS): as `scenario`, with these helpers.
define owner_scenario
$(SCENARIOS)/$(1): $(SCENARIOS)/$(1).o $(OWNER_SUPPORT)
	$$(CC) $$(CFLAGS) -pthread -o $$@ $$< $$(OWNER_SUPPORT) -ldl -lrt
$(foreach conf,$(2),$(call in_conf,$(SCENARIOS)/$(1),$(conf),-p))
TESTS += $(foreach conf,$(2),$(SCENARIOS)/$(1).$(conf))

endef

$(eval $(call owner_scenario,s01_stages_of_life,mm_cid cpu_id))
$(eval $(call owner_scenario,s02_own_registration,own_mm_cid own_cpu_id))
$(eval $(call owner_scenario,s04_denied,$(SCENARIO_ALL)))
$(eval $(call owner_scenario,s04_background,background own_background))
# Chooses its configurations itself.
$(eval $(call owner_scenario,s04_killed,default))
$(eval $(call owner_scenario,s05_legacy_library,$(SCENARIO_ALL)))
$(eval $(call owner_scenario,s06_foreign_area,$(SCENARIO_ALL)))
$(eval $(call owner_scenario,s07_another_signature,$(SCENARIO_ALL)))
$(eval $(call owner_scenario,s08_behind_our_back,$(SCENARIO_ALL)))
$(eval $(call owner_scenario,s08_at_every_instruction,mm_cid own_cpu_id))
$(eval $(call owner_scenario,s08_registered_in_a_handler,$(SCENARIO_ALL)))
$(eval $(call owner_scenario,s09_in_turns,$(SCENARIO_ALL)))
$(eval $(call owner_scenario,s10_dirty_rseq_cs,$(SCENARIO_ALL)))

$(SCENARIOS)/s08_at_every_instruction.o \
$(SCENARIOS)/s08_registered_in_a_handler.o: SCENARIO_FLAGS += -Itest/unit

$(addprefix $(SCENARIOS)/,s06_foreign_area s07_another_signature \
	s09_in_turns): \
	| $(SCENARIOS)/foreign_library.so

$(SCENARIOS)/s05_legacy_library: | $(SCENARIOS)/legacy_library.so \
	$(SCENARIOS)/legacy_zeroed.so $(SCENARIOS)/misaligned_area.so
$(SCENARIOS)/legacy_zeroed.so: test/scenarios/legacy_library.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SCENARIO_FLAGS) -DLEGACY_ZEROED=1 -fPIC -shared \
		-o $@ $<
