# The micro-benchmarks: `make bench-micro`, through google-benchmark. It is C,
# but for the shim. Variables: MICRO, what to run, a regular expression (without
# it everything); MICRO_OUT, the folder for the CSV file: docs/results, but not
# when only a part has run.

MICRO_DIR := $(B)/bench/micro
MICRO_OBJECTS := $(patsubst bench/micro/%.c,$(MICRO_DIR)/%.o, \
	$(filter-out %/floor_pair.c,$(wildcard bench/micro/*.c))) \
	$(MICRO_DIR)/shim.o
MICRO_HEADERS := $(wildcard bench/micro/*.h)
MICRO_OUT ?= $(if $(MICRO),$(MICRO_DIR),docs/results)
# -fno-builtin: the compiler must not remove a malloc it thinks unused.
MICRO_CFLAGS := -D_GNU_SOURCE -fno-builtin -pthread

$(MICRO_DIR)/%.o: bench/micro/%.c $(MICRO_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(MICRO_CFLAGS) -c -o $@ $<

$(MICRO_DIR)/%.o: bench/micro/%.cc $(MICRO_HEADERS)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -c -o $@ $<

$(MICRO_DIR)/libfloor.so: bench/micro/floor_pair.c $(MICRO_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(MICRO_CFLAGS) -fPIC -fvisibility=hidden -shared \
		-o $@ $<

$(MICRO_DIR)/micro: $(MICRO_OBJECTS) $(MICRO_DIR)/libfloor.so
	$(CXX) -o $@ $(MICRO_OBJECTS) -pthread -lbenchmark -L$(MICRO_DIR) \
		-lfloor -Wl,-rpath,'$$ORIGIN'

.PHONY: bench-micro
bench-micro: measure-build $(B)/libpcmalloc.so
	sh test/install.sh /usr/include/benchmark/benchmark.h:libbenchmark-dev \
		/usr/bin/python3:python3
	$(MAKE) $(MICRO_DIR)/micro
	/usr/bin/python3 bench/micro/micro.py --build $(abspath $(B)) \
		--so $(abspath $(B))/libpcmalloc.so --out $(MICRO_OUT) \
		$(if $(MICRO),--filter '$(MICRO)') $(MICRO_FLAGS)
