# The benchmarks of docs/BENCHMARKS.md: pattern programs and real programs on
# pcmalloc and its peers.
#
# ONLY=name,name  these tests alone;  ROUNDS=n;  SCALE=f  work, relative to the
# default;  OUT=dir  where the results go: docs/results when all tests run,
# else build/bench/suite/results.

SUITE_DIR := $(B)/bench/suite
SUITE_PYTHON := /usr/bin/python3
SUITE_TOOLS := $(SUITE_DIR)/runone $(SUITE_DIR)/memcached_load
SUITE_CFLAGS := -D_GNU_SOURCE -Ibench/measure

# Small and static: a child's peak memory starts at its parent's.
$(SUITE_DIR)/runone: bench/suite/runone.c $(MEASURE_HEADER)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SUITE_CFLAGS) -static -o $@ $<

$(SUITE_DIR)/memcached_load: bench/suite/programs/memcached_load.c \
		$(MEASURE_HEADER)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SUITE_CFLAGS) -o $@ $<

# What cannot be installed is left out by name.
SUITE_PACKAGES := redis-server:redis-server redis-benchmark:redis-tools \
	memcached:memcached gcc:gcc clang:clang make:make awk:mawk \
	sqlite3:sqlite3 node:nodejs java:default-jre-headless \
	javac:default-jdk-headless git:git gs:ghostscript perl:perl \
	zstd:zstd xz:xz-utils strace:strace ldd:libc-bin \
	'/usr/lib/*/libjemalloc.so.2:libjemalloc2' \
	'/usr/lib/*/libmimalloc.so.2*:libmimalloc2.0' \
	'/usr/lib/*/libtcmalloc_minimal.so.4:libtcmalloc-minimal4' \
	/usr/lib/python3/dist-packages/matplotlib:python3-matplotlib

SUITE_OUT = $(or $(OUT),$(if $(ONLY),$(SUITE_DIR)/results,docs/results))
SUITE_BENCH = $(SUITE_PYTHON) -B bench/suite/bench.py --build $(abspath $(B)) \
	--out $(SUITE_OUT) --patterns '$(PATTERN_NAMES)' \
	$(if $(ONLY),--only '$(ONLY)') $(if $(ROUNDS),--rounds $(ROUNDS)) \
	$(if $(SCALE),--scale $(SCALE)) $(if $(BUDGET),--budget $(BUDGET))

.PHONY: bench-install bench-build bench bench-full bench-list bench-report
bench-install:
	sh test/install.sh $(CC):gcc /usr/include/stdlib.h:libc6-dev \
		$(SUITE_PYTHON):python3
	-sh test/install.sh $(SUITE_PACKAGES)

bench-build: $(SUITE_TOOLS) $(MEASURE_DIR)/libnothing.so $(B)/libpcmalloc.so \
		bench-programs

bench-list: bench-build
	@$(SUITE_BENCH) --list

# Plots, and the figures in the documents, of what is in docs/results.
bench-report:
	-$(SUITE_PYTHON) -B bench/suite/plots.py docs/results
	$(SUITE_PYTHON) bench/measure/report.py

# After a test that failed there is a report all the same. Without ONLY and OUT.
SUITE_REPORT = $(if $(ONLY)$(OUT),:,$(MAKE) --no-print-directory bench-report)
SUITE_MICRO = $(if $(ONLY)$(OUT),:,$(MAKE) --no-print-directory bench-micro)

bench: bench-install
	@$(MAKE) --no-print-directory bench-build
	@status=0; $(SUITE_BENCH) || status=1; \
		$(SUITE_REPORT) || status=1; exit $$status

# Hours, micro-benchmarks included.
bench-full: bench-install
	@$(MAKE) --no-print-directory bench-build
	@status=0; $(SUITE_BENCH) --full || status=1; \
		$(SUITE_MICRO) || status=1; \
		$(SUITE_REPORT) || status=1; exit $$status

# BASE=rev, TESTS=name,name: what is slower or bigger than it was at rev? Where
# it is not given, TESTS is the list of make check.
SUITE_TESTS = $(or $(ONLY),$(if $(filter command,$(origin TESTS)),$(TESTS)))
.PHONY: bench-compare
bench-compare: bench-install
	@test -n '$(BASE)' || { echo 'usage: make bench-compare BASE=rev'; exit 2; }
	@$(MAKE) --no-print-directory bench-build
	$(SUITE_PYTHON) -B bench/suite/compare.py --build $(abspath $(B)) \
		--base '$(BASE)' --patterns '$(PATTERN_NAMES)' \
		$(if $(SUITE_TESTS),--only '$(SUITE_TESTS)') \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SCALE),--scale $(SCALE))

# thp:auto as the system is set; root sets it and puts it back. MEASURES=walk,
# live or peaks: not all of them.
# As with bench: the results of a part of the tests are none for the documents.
.PHONY: measure-hugepages
measure-hugepages: bench-build measure-build
	@mkdir -p $(SUITE_OUT)
	$(SUITE_PYTHON) -B bench/suite/hugepages.py --build $(abspath $(B)) \
		--out $(SUITE_OUT) --patterns '$(PATTERN_NAMES)' \
		$(if $(MEASURES),--measures '$(MEASURES)') \
		$(if $(ONLY),--only '$(ONLY)') $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SCALE),--scale $(SCALE))
	$(if $(OUT)$(ONLY),,$(SUITE_PYTHON) bench/measure/report.py)

bench/suite/suite_smoke.sh: | bench-build
TESTS += bench/suite/suite_smoke.sh
