# Stress programs: each runs in `make check` for a few seconds under four
# configurations; `make check-stress` gives each of these runs a minute.
# The programs are linked against no allocator: the runner preloads it.

STRESS_DIR := $(B)/test/stress
STRESS_NAMES := pattern migrate twice signal churn fork trim
STRESS_PROGRAMS := $(STRESS_NAMES:%=$(STRESS_DIR)/stress_%)
STRESS_CONFS := mm_cid cpu_id off mixed
STRESS_SHARED := test/stress/stress.c test/stress/stress_blocks.c
STRESS_HEADERS := test/stress/stress.h test/stress/stress_blocks.h
# -fno-builtin: the compiler must not remove a malloc whose block it thinks
# unused.
STRESS_CFLAGS := -D_GNU_SOURCE -fno-builtin -pthread

STRESS_CONF_mm_cid := index:mm_cid
STRESS_CONF_cpu_id := index:cpu_id
STRESS_CONF_off := rseq:off
STRESS_CONF_mixed := rseq:auto

# Spans become mixed whenever they can; lock ranks and invariants are checked.
STRESS_MIXED := $(B)/mix_always/libpcmalloc.so
$(STRESS_MIXED): $(B)/libpcmalloc.so
	@$(MAKE) --no-print-directory B=$(B)/mix_always MIX_ALWAYS=1 DEBUG=1 $@

# One test per program and configuration: a script of one line.
STRESS_TESTS := $(foreach name,$(STRESS_NAMES),\
	$(foreach conf,$(STRESS_CONFS),$(STRESS_DIR)/$(name)-$(conf)))

TESTS += test/stress/stress_selftest.sh $(STRESS_TESTS)

$(STRESS_PROGRAMS): $(STRESS_DIR)/stress_%: test/stress/stress_%.c \
		$(STRESS_SHARED) $(STRESS_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(STRESS_CFLAGS) -o $@ $< $(STRESS_SHARED) -ldl

$(STRESS_DIR)/libbroken.so: test/stress/broken.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(STRESS_CFLAGS) -fPIC -fvisibility=hidden -shared \
		-o $@ $<

$(STRESS_TESTS): test/stress/module.mk | $(STRESS_PROGRAMS) $(STRESS_MIXED)
	@mkdir -p $(@D)
	@printf '#!/bin/sh\n$(if $(filter %-mixed,$@),PCM_SO=$(abspath \
		$(STRESS_MIXED)) )exec sh test/stress/stress_run.sh %s %s\n' \
		$(STRESS_CONF_$(lastword $(subst -, ,$(@F)))) \
		$(firstword $(subst -, ,$(@F))) >$@
	@chmod +x $@

test/stress/stress_selftest.sh: $(STRESS_PROGRAMS) $(STRESS_DIR)/libbroken.so

.PHONY: check-stress
check-stress: $(STRESS_PROGRAMS) $(B)/libpcmalloc.so
	PCM_STRESS_SECONDS=$${PCM_STRESS_SECONDS:-60} \
	PCM_BUILD=$(abspath $(B)) sh test/stress/stress_run.sh
