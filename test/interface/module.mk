# The public interface: one libcheck program per part of it, linked against
# libpcmalloc.so and run in each configuration.

include test/interface/confs.mk

INTERFACE := $(B)/test/interface
INTERFACE_LINK = -L$(B) -Wl,--no-as-needed -lpcmalloc -Wl,--as-needed \
	-Wl,-rpath,$(abspath $(B))
INTERFACE_CHECK := $(shell pkg-config --libs check 2>/dev/null || \
	echo -lcheck -lm -lrt -lsubunit)
# The compiler must not know what malloc does.
INTERFACE_FLAGS = -D_GNU_SOURCE -fno-builtin -Iinclude -Itest/interface \
	-pthread

INTERFACE_STD := -std=gnu++17 -fsized-deallocation

INTERFACE_C := test_malloc test_calloc test_realloc test_alignment \
	test_usable_size test_statistics test_misuse test_between_threads \
	test_public test_jemalloc_api
INTERFACE_CXX := test_operators test_containers
# These choose their configuration themselves, or it is all the same to them.
INTERFACE_ONCE := test_configuration test_plugin

INTERFACE_SUPPORT := $(INTERFACE)/testing.o $(INTERFACE)/xml.o

$(INTERFACE)/%.o: test/interface/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(INTERFACE_FLAGS) -MMD -MP -c -o $@ $<

$(INTERFACE)/%.o: test/interface/%.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(INTERFACE_STD) $(INTERFACE_FLAGS) -MMD -MP \
		-c -o $@ $<

$(addprefix $(INTERFACE)/,$(INTERFACE_C) $(INTERFACE_ONCE)): \
$(INTERFACE)/%: $(INTERFACE)/%.o $(INTERFACE_SUPPORT) $(B)/libpcmalloc.so
	$(CC) $(CFLAGS) -pthread -o $@ $< $(INTERFACE_SUPPORT) \
		$(INTERFACE_LINK) $(INTERFACE_CHECK) -ldl

$(addprefix $(INTERFACE)/,$(INTERFACE_CXX)): \
$(INTERFACE)/%: $(INTERFACE)/%.o $(INTERFACE_SUPPORT) $(B)/libpcmalloc.so
	$(CXX) $(CXXFLAGS) -pthread -o $@ $< $(INTERFACE_SUPPORT) \
		$(INTERFACE_LINK) $(INTERFACE_CHECK) -ldl

$(INTERFACE)/plugin.so: test/interface/plugin.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -fPIC -shared -o $@ $<

$(INTERFACE)/test_plugin: | $(INTERFACE)/plugin.so

INTERFACE_IN_CONFS := $(addprefix $(INTERFACE)/,$(INTERFACE_C) $(INTERFACE_CXX))
$(call in_confs,$(INTERFACE_IN_CONFS),)

test/interface/exports.sh: | $(B)/libpcmalloc.so

TESTS += test/interface/exports.sh \
	$(addprefix $(INTERFACE)/,$(INTERFACE_ONCE)) \
	$(call confs_of,$(INTERFACE_IN_CONFS))

-include $(wildcard $(INTERFACE)/*.d)
