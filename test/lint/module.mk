# Lint: rules of the project that a script can check.

LINT_TESTS := include_direction source_files symbols documents clang_build \
	debug_build figures hot_path statics layout

LINT_SCRIPTS := $(patsubst %,test/lint/%.sh,$(LINT_TESTS))

test/lint/symbols.sh test/lint/hot_path.sh test/lint/statics.sh \
	test/lint/layout.sh: | $(B)/libpcmalloc.so

TESTS += $(LINT_SCRIPTS)
