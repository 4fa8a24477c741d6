# Unit tests: one libcheck program per unit of the internals. Each is linked
# against the object files of its layer and of the layers below, and no others:
# rseq/ is tested without percpu/ and allocator/, percpu/ without allocator/.
# The programs of the third group run on pcmalloc's malloc, the others on libc's.

UNIT := $(B)/test/unit
# -fno-builtin: the compiler must not know what malloc does.
UNIT_CFLAGS = $(LIB_CFLAGS) -D_GNU_SOURCE -fno-builtin -Itest/interface \
	-Itest/unit -pthread
UNIT_CHECK := $(shell pkg-config --libs check 2>/dev/null || \
	echo -lcheck -lm -lrt -lsubunit)

UNIT_RSEQ := test_rseq_process test_rseq_section test_rseq_abort \
	test_rseq_thread test_rseq_fence test_clone
UNIT_PERCPU := test_lock test_magazine test_percpu test_percpu_storm \
	test_shard
UNIT_ALLOCATOR := test_size_class test_pagemap test_span test_central \
	test_depot test_cache test_hugepage test_page_heap test_mapping \
	test_large test_meta test_sys test_text test_conf test_emergency \
	test_fork_locks

UNIT_RSEQ_O := $(filter $(B)/obj/rseq/%,$(LIB_O))
UNIT_PERCPU_O := $(filter $(B)/obj/percpu/%,$(LIB_O)) $(UNIT_RSEQ_O)
UNIT_SUPPORT := $(UNIT)/storm.o $(B)/test/interface/testing.o

# Keep them: make would delete an object that only a pattern rule asked for.
.SECONDARY: $(patsubst %,$(UNIT)/%.o,storm $(UNIT_RSEQ) $(UNIT_PERCPU) \
	$(UNIT_ALLOCATOR))

$(UNIT)/%.o: test/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -c -o $@ $<

UNIT_LINK = $(CC) $(CFLAGS) -pthread -o $@ $^ $(UNIT_CHECK) -ldl

$(addprefix $(UNIT)/,$(UNIT_RSEQ)): $(UNIT)/%: $(UNIT)/%.o $(UNIT_SUPPORT) \
		$(UNIT_RSEQ_O)
	$(UNIT_LINK)

$(addprefix $(UNIT)/,$(UNIT_PERCPU)): $(UNIT)/%: $(UNIT)/%.o $(UNIT_SUPPORT) \
		$(UNIT_PERCPU_O)
	$(UNIT_LINK)

$(addprefix $(UNIT)/,$(UNIT_ALLOCATOR)): $(UNIT)/%: $(UNIT)/%.o \
		$(UNIT_SUPPORT) $(LIB_O)
	$(UNIT_LINK)

TESTS += $(addprefix $(UNIT)/,$(UNIT_RSEQ) $(UNIT_PERCPU) $(UNIT_ALLOCATOR))

-include $(wildcard $(UNIT)/*.d)
