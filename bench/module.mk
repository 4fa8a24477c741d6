# Benchmarks: `make measure` (the figures of docs/) and `make bench-micro`
# (google-benchmark). Neither is a part of `make check`.

include bench/micro/micro.mk bench/patterns/patterns.mk

MEASURE_DIR := $(B)/bench/measure
MEASURE_PROGRAMS := $(addprefix $(MEASURE_DIR)/, \
	pair threads256 trivial inturns xmalloc walk live)
MEASURE_LIBS := $(MEASURE_DIR)/libempty.so $(MEASURE_DIR)/libnothing.so
# -fno-builtin: the compiler must not remove a malloc it thinks unused.
MEASURE_CFLAGS := -D_GNU_SOURCE -fno-builtin -pthread
MEASURE_HEADER := bench/measure/measure.h

$(MEASURE_PROGRAMS): $(MEASURE_DIR)/%: bench/measure/%.c $(MEASURE_HEADER)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(MEASURE_CFLAGS) -o $@ $<

# Small and static: a child's peak memory starts at its parent's.
$(MEASURE_DIR)/child: bench/measure/child.c $(MEASURE_HEADER)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(MEASURE_CFLAGS) -static -o $@ $<

$(MEASURE_DIR)/libempty.so: bench/measure/empty_malloc.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(MEASURE_CFLAGS) -fPIC -fvisibility=hidden -shared \
		-o $@ $<

$(MEASURE_DIR)/libnothing.so: bench/measure/empty_library.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(MEASURE_CFLAGS) -fPIC -fvisibility=hidden -shared \
		-o $@ $<

.PHONY: measure-build measure
measure-build: $(MEASURE_PROGRAMS) $(MEASURE_LIBS) $(MEASURE_DIR)/child

# Peers that cannot be installed are left out of the tables.
measure: measure-build $(B)/libpcmalloc.so
	-sh test/install.sh strace:strace /usr/bin/python3:python3 \
		'/usr/lib/*/libjemalloc.so.2:libjemalloc2' \
		'/usr/lib/*/libmimalloc.so.2*:libmimalloc2.0' \
		'/usr/lib/*/libtcmalloc_minimal.so.4:libtcmalloc-minimal4'
	PCM_BUILD=$(abspath $(B)) sh bench/measure/measure.sh
	/usr/bin/python3 bench/measure/report.py

include bench/suite/suite.mk
