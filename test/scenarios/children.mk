# Scenarios 11 to 14 and 18: early life, children, the ends of threads, signals,
# and no object handed out twice. Included by module.mk, whose rules it uses.

# In make check each runs on libc's registration, on pcmalloc's own with the
# other index, and on the fallback.
CHILDREN_CONFS := mm_cid own_cpu_id fallback

# C++: test/scenarios/NAME.cc, otherwise as `scenario`.
$(SCENARIOS)/%.o: test/scenarios/%.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(SCENARIO_FLAGS) -std=gnu++17 -MMD -MP -c -o $@ $<

define scenario_cxx
$(SCENARIOS)/$(1): $(SCENARIOS)/$(1).o $(SCENARIO_SUPPORT)
	$$(CXX) $$(CXXFLAGS) -pthread -o $$@ $$< $$(SCENARIO_SUPPORT) -ldl -lrt
$(foreach conf,$(2),$(call in_conf,$(SCENARIOS)/$(1),$(conf),-p))
TESTS += $(foreach conf,$(2),$(SCENARIOS)/$(1).$(conf))

endef

CHILDREN_C := s11_ifunc_resolvers s11_tls_modules s11_audit \
	s12_fork_under_load s12_fork_handlers s12_fork_storm \
	s12_fork_in_children s12_fork_in_a_fork s12_vfork_children \
	s12_raw_children \
	s12_spawn_under_load s12_clone_vm s12_clone_settls \
	s13_cancellation s13_main_exits_first s13_threads_by_thousands \
	s14_signal_storm s14_longjmp_from_handler s14_vfork_in_handler
CHILDREN_CXX := s11_stages s13_thread_exit

$(foreach name,$(CHILDREN_C),\
	$(eval $(call scenario,$(name),$(CHILDREN_CONFS))))
$(foreach name,$(CHILDREN_CXX),\
	$(eval $(call scenario_cxx,$(name),$(CHILDREN_CONFS))))

# Where the kernel has no fence, or is not asked for one.
TEST_CONF_no_fence := index:mm_cid,fence:off
$(foreach name,s12_fork_copy s12_fork_forgets,\
	$(eval $(call scenario,$(name),$(CHILDREN_CONFS) no_fence)))

# -fno-plt: the resolvers run before the slots of the PLT are relocated.
$(SCENARIOS)/s11_ifunc_resolvers.o $(SCENARIOS)/s11_ifunc_library.so: \
	SCENARIO_FLAGS += -fno-plt
$(SCENARIOS)/s11_ifunc_resolvers: | $(SCENARIOS)/s11_ifunc_library.so

$(SCENARIOS)/s11_tls_modules: | $(SCENARIOS)/s11_tls_module.so

# The second one is linked with pcmalloc, and brings it into its own namespace.
$(SCENARIOS)/s11_audit_pcmalloc.so: test/scenarios/s11_audit_library.c \
		$(B)/libpcmalloc.so
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SCENARIO_FLAGS) -fPIC -shared -o $@ $< -L$(B) \
		-Wl,--no-as-needed -lpcmalloc -Wl,-rpath,$(abspath $(B))
$(SCENARIOS)/s11_audit: | $(SCENARIOS)/s11_tls_module.so
$(SCENARIOS)/s11_audit: | $(SCENARIOS)/s11_audit_library.so \
	$(SCENARIOS)/s11_audit_pcmalloc.so

# Runs on libc's malloc, and loads pcmalloc itself.
$(SCENARIOS)/s11_tls_static.so: test/scenarios/s11_tls_module.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -DTLS_STATIC=1 -fPIC -shared -o $@ $<
$(SCENARIOS)/s11_dlopen_library: $(SCENARIOS)/s11_dlopen_library.o
	$(CC) $(CFLAGS) -pthread -o $@ $< -ldl
$(SCENARIOS)/s11_dlopen_library: | $(SCENARIOS)/s11_tls_static.so \
	$(SCENARIOS)/s11_tls_module.so
$(foreach conf,$(CHILDREN_CONFS),\
	$(eval $(call in_conf,$(SCENARIOS)/s11_dlopen_library,$(conf),)))
TESTS += $(addprefix $(SCENARIOS)/s11_dlopen_library.,$(CHILDREN_CONFS))

# The stress of test/stress, on either owner's registration and on none.
test/scenarios/s18_no_object_twice.sh: | $(B)/test/stress/stress_twice \
	$(B)/libpcmalloc.so
TESTS += test/scenarios/s18_no_object_twice.sh

# Ten thousand forks under load, in each configuration: some minutes.
.PHONY: check-fork
check-fork: $(addprefix $(SCENARIOS)/s12_fork_storm.,$(CHILDREN_CONFS))
	PCM_TEST_FORKS=$${PCM_TEST_FORKS:-10000} PCM_TEST_TIMEOUT=3000 \
	PCM_BUILD=$(abspath $(B)) sh test/run.sh $^
