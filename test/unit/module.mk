# Unit tests: one libcheck program per unit of the internals. Each is linked
# against the object files of its layer and of the layers below, and no others:
# rseq/ is tested without percpu/ and allocator/, percpu/ without allocator/.
# The programs of the third group run on pcmalloc's malloc, the others on libc's.

include test/interface/confs.mk

UNIT := $(B)/test/unit
# -fno-builtin: the compiler must not know what malloc does.
UNIT_CFLAGS = $(LIB_CFLAGS) -D_GNU_SOURCE -fno-builtin -Itest/interface \
	-Itest/unit -pthread
UNIT_CHECK := $(shell pkg-config --libs check 2>/dev/null || \
	echo -lcheck -lm -lrt -lsubunit)

UNIT_RSEQ := test_rseq_process test_rseq_section test_rseq_abort \
	test_rseq_stopped test_rseq_thread test_rseq_fence test_clone
UNIT_PERCPU := test_lock test_magazine test_percpu test_percpu_storm \
	test_shard test_fork_stop
UNIT_ALLOCATOR := test_size_class test_pagemap test_span test_span_put test_central \
	test_central_homes test_central_single test_central_long test_bits test_mixed test_mixed_twice test_mixed_lack test_mixed_groups \
	test_depot test_depot_homes test_capacity test_cache test_cache_mixed test_hugepage test_page_heap test_extents test_mapping \
	test_large test_meta test_descriptors test_sys test_text test_conf test_emergency \
	test_fork_locks test_cgroup test_limit test_pulse test_idle test_page_heap_check \
	test_page_heap_homes test_thp

UNIT_RSEQ_O := $(filter $(B)/obj/rseq/%,$(LIB_O))
UNIT_PERCPU_O := $(filter $(B)/obj/percpu/%,$(LIB_O)) $(UNIT_RSEQ_O)
UNIT_SUPPORT := $(UNIT)/storm.o $(B)/test/interface/testing.o
# What the tests of the sections share.
UNIT_SECTION := section_lab section_model section_trap section_paths
UNIT_SECTION_O := $(UNIT_SECTION:%=$(UNIT)/%.o)

# Keep them: make would delete an object that only a pattern rule asked for.
.SECONDARY: $(patsubst %,$(UNIT)/%.o,storm $(UNIT_SECTION) $(UNIT_RSEQ) \
	$(UNIT_PERCPU) $(UNIT_ALLOCATOR))

$(UNIT)/%.o: test/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -c -o $@ $<

UNIT_LINK = $(CC) $(CFLAGS) -pthread -o $@ $^ $(UNIT_CHECK) -ldl

$(addprefix $(UNIT)/,$(UNIT_RSEQ)): $(UNIT)/%: $(UNIT)/%.o $(UNIT_SUPPORT) \
		$(UNIT_SECTION_O) $(UNIT_RSEQ_O)
	$(UNIT_LINK)

$(addprefix $(UNIT)/,$(UNIT_PERCPU)): $(UNIT)/%: $(UNIT)/%.o $(UNIT_SUPPORT) \
		$(UNIT_PERCPU_O)
	$(UNIT_LINK)

$(addprefix $(UNIT)/,$(UNIT_ALLOCATOR)): $(UNIT)/%: $(UNIT)/%.o \
		$(UNIT_SUPPORT) $(LIB_O)
	$(UNIT_LINK)

# Also with a registration of our own.
UNIT_OWN := $(UNIT)/test_rseq_abort $(UNIT)/test_rseq_stopped
$(foreach program,$(UNIT_OWN),$(eval $(call in_conf,$(program),own_cpu_id,)))
TESTS += $(addsuffix .own_cpu_id,$(UNIT_OWN))

TESTS += $(addprefix $(UNIT)/,$(UNIT_RSEQ) $(UNIT_PERCPU) $(UNIT_ALLOCATOR))

-include $(wildcard $(UNIT)/*.d)
