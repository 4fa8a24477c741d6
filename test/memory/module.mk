# Memory that goes back, and limits: programs that run on a preloaded
# libpcmalloc.so, each with the configuration that it is about.

include test/interface/confs.mk

MEMORY := $(B)/test/memory
MEMORY_FLAGS = -D_GNU_SOURCE -fno-builtin -Iinclude -Itest/interface \
	-Itest/memory -pthread
MEMORY_SUPPORT := $(MEMORY)/hoard.o $(B)/test/interface/testing.o

TEST_CONF_hard_limit := hard_limit:128M
TEST_CONF_soft_limit := limit:192M
TEST_CONF_small_cache := cache:4M
TEST_CONF_locked := ''

# $(call memory,NAME,CONFS): test/memory/NAME.c in each of CONFS.
define memory
$(MEMORY)/$(1): $(MEMORY)/$(1).o $(MEMORY_SUPPORT)
	$$(CC) $$(CFLAGS) -pthread -o $$@ $$< $$(MEMORY_SUPPORT) -ldl -lm
$(foreach conf,$(2),$(call in_conf,$(MEMORY)/$(1),$(conf),-p))
TESTS += $(foreach conf,$(2),$(MEMORY)/$(1).$(conf))

endef

$(MEMORY)/%.o: test/memory/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(MEMORY_FLAGS) -MMD -MP -c -o $@ $<

$(eval $(call memory,gives_back,mm_cid cpu_id fallback))
$(eval $(call memory,gives_back_by,mm_cid fallback))
$(eval $(call memory,gives_back_idle,background))
$(eval $(call memory,background_under_lock,background))
$(eval $(call memory,grows,mm_cid fallback))
$(eval $(call memory,few_faults,mm_cid fallback))
$(eval $(call memory,few_sizes,mm_cid fallback))
$(eval $(call memory,trim,mm_cid fallback))
$(eval $(call memory,drifting_sizes,default fallback))
$(eval $(call memory,hard_limit,hard_limit))
$(eval $(call memory,soft_limit,soft_limit))
$(eval $(call memory,cache_budget,small_cache))

$(MEMORY)/background_under_lock: | $(MEMORY)/background_under_lock_tls.so
$(MEMORY)/background_under_lock_tls.so: test/memory/tls_library.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fPIC -shared -o $@ $<

test/memory/control_group.sh: | $(MEMORY)/soft_limit $(B)/libpcmalloc.so
TESTS += test/memory/control_group.sh

-include $(wildcard $(MEMORY)/*.d)
