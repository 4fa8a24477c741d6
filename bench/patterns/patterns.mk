# The pattern programs: `make bench-programs` builds them, bench/suite/ runs
# them, and bench/patterns/smoke.sh sees in `make check` that they work.
# They are linked against no allocator: preload one.

PATTERN_DIR := $(B)/bench/patterns
PATTERN_NAMES := server pipeline phases large_turns idle_threads short_lived \
	eviction drift runs runs_mixed cross_free scan numbers trees strings \
	slots thread_turns sharing
PATTERN_PROGRAMS := $(addprefix $(PATTERN_DIR)/,$(PATTERN_NAMES))
# What a pattern program starts.
PATTERN_STARTED := $(PATTERN_DIR)/short_program
PATTERN_HARNESS := $(PATTERN_DIR)/harness.o
PATTERN_HEADERS := $(wildcard bench/patterns/*.h) bench/measure/measure.h
# -fno-builtin: the compiler must not remove a malloc it thinks unused.
PATTERN_CFLAGS := -D_GNU_SOURCE -fno-builtin -pthread

$(PATTERN_DIR)/%.o: bench/patterns/%.c $(PATTERN_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(PATTERN_CFLAGS) -c -o $@ $<

$(PATTERN_PROGRAMS) $(PATTERN_STARTED): $(PATTERN_DIR)/%: $(PATTERN_DIR)/%.o \
		$(PATTERN_HARNESS)
	$(CC) -pthread -o $@ $^ -Wl,--as-needed -lm

$(PATTERN_DIR)/pipeline $(PATTERN_DIR)/cross_free: $(PATTERN_DIR)/queue.o
$(PATTERN_DIR)/numbers: $(PATTERN_DIR)/crunch_rationals.o \
	$(PATTERN_DIR)/crunch_symbols.o

.PHONY: bench-programs
bench-programs: $(PATTERN_PROGRAMS) $(PATTERN_STARTED)

TESTS += bench/patterns/smoke.sh
bench/patterns/smoke.sh: $(PATTERN_PROGRAMS) $(PATTERN_STARTED) \
	$(B)/test/stress/libbroken.so | $(B)/libpcmalloc.so
