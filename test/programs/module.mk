# Real programs as tests.  `make check` runs a short version of those that the
# machine has; `make check-programs` installs and runs them all, at length.

PROGRAM_TESTS := $(patsubst %,test/programs/%.sh,redis python gcc clang git \
	sqlite perl node java tar zstd pigz pbzip2 memcached sort)

TESTS += $(PROGRAM_TESTS)

PROGRAM_PACKAGES := redis-server:redis-server redis-benchmark:redis-tools \
	/usr/bin/python3:python3 gcc:gcc g++:g++ clang:clang git:git \
	sqlite3:sqlite3 perl:perl node:nodejs java:default-jre-headless \
	javac:default-jdk-headless tar:tar xz:xz-utils zstd:zstd pigz:pigz \
	pbzip2:pbzip2 memcached:memcached awk:mawk diff:diffutils

# Python's own tests are a package for each of its versions.
PROGRAM_PYTHON_TESTS = $$(/usr/bin/python3 -c 'import sys; v = \
	"python%d.%d" % sys.version_info[:2]; print( \
	"/usr/lib/%s/test/test_dict.py:lib%s-testsuite" % (v, v))')

.PHONY: check-programs
check-programs: check-deps
	sh test/install.sh $(PROGRAM_PACKAGES)
	sh test/install.sh "$(PROGRAM_PYTHON_TESTS)"
	$(MAKE) all
	PCM_PROGRAMS_FULL=1 PCM_TEST_TIMEOUT=900 PCM_BUILD=$(abspath $(B)) \
		sh test/run.sh $(PROGRAM_TESTS)
