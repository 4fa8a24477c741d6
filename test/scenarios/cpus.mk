# Scenarios of CPUs: 15, affinity and ids, and 16, mm_cid. Included by
# module.mk, whose rules it uses.

CPU_SUPPORT := $(addprefix $(SCENARIOS)/,rseq_raw.o claims.o cpu_lab.o) \
	$(B)/test/process/load.o $(B)/test/interface/testing.o

# $(call cpu_scenario,NAME,CONFS): as `scenario`, with these helpers.
define cpu_scenario
$(SCENARIOS)/$(1): $(SCENARIOS)/$(1).o $(CPU_SUPPORT)
	$$(CC) $$(CFLAGS) -pthread -o $$@ $$< $$(CPU_SUPPORT) -ldl -lrt
$(foreach conf,$(2),$(call in_conf,$(SCENARIOS)/$(1),$(conf),-p))
TESTS += $(foreach conf,$(2),$(SCENARIOS)/$(1).$(conf))

endef

$(eval $(call cpu_scenario,s15_affinity,$(SCENARIO_ALL) fallback))
$(eval $(call cpu_scenario,s16_many_threads,mm_cid own_mm_cid))
$(eval $(call cpu_scenario,s15_cpuset,mm_cid own_cpu_id))

test/scenarios/s15_no_proc_sys.sh: | $(SCENARIOS)/s15_affinity \
	$(B)/libpcmalloc.so

# The library with a table for so many CPU ids.
$(B)/table_%/libpcmalloc.so: $(B)/libpcmalloc.so
	@$(MAKE) --no-print-directory B=$(B)/table_$* PCM_NINDEXES=$* $@

$(SCENARIOS)/cpu_ids: $(SCENARIOS)/cpu_ids.o
	$(CC) $(CFLAGS) -o $@ $<

test/scenarios/s15_small_table.sh: | $(SCENARIOS)/cpu_ids \
	$(B)/table_1/libpcmalloc.so $(B)/table_1024/libpcmalloc.so \
	$(addprefix $(B)/test/stress/stress_,twice fork)

TESTS += $(addprefix test/scenarios/s15_,no_proc_sys.sh small_table.sh)
