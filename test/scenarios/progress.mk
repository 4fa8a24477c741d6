# Sections interrupted at every instruction, and progress: under a debugger,
# under storms of signals, and without rseq.

# single_step.h
$(SCENARIOS)/every_instruction.o: SCENARIO_FLAGS += -Itest/unit

$(eval $(call scenario,every_instruction,mm_cid own_cpu_id))

$(eval $(call scenario,s17_single_step,mm_cid own_cpu_id))

$(SCENARIOS)/s17_debugged: $(SCENARIOS)/s17_debugged.o $(SCENARIO_SUPPORT)
	$(CC) $(CFLAGS) -pthread -o $@ $< $(SCENARIO_SUPPORT) -ldl -lrt

test/scenarios/s17_debugger.sh: | $(SCENARIOS)/s17_debugged $(B)/libpcmalloc.so
TESTS += test/scenarios/s17_debugger.sh

$(eval $(call scenario,progress_storm,mm_cid own_cpu_id))
# Where libc registers, rseq cannot be denied to a new thread only.
$(eval $(call owner_scenario,progress_denied,own_mm_cid))
