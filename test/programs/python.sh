#!/bin/sh
# python3: parts of its own test suite, where that is installed, and a program
# with threads and subprocesses.  PYTHONMALLOC=malloc hands every object to
# malloc; without it Python serves small ones itself.
. "$(dirname "$0")/program_lib.sh"

# A python3 that comes first in PATH may be a wrapper script.
PYTHON=/usr/bin/python3
if [ ! -x "$PYTHON" ]; then
	need python3
	PYTHON=python3
fi

# Test modules, three of which run at a time.
short_modules="test_json test_dict test_list test_threading.ThreadTests
	test_subprocess.ContextManagerTests test_subprocess.MiscTests"
long_modules="test_json test_dict test_list test_bytes test_set test_deque
	test_unicode test_re test_heapq test_array test_memoryview test_io
	test_gc test_weakref test_generators test_ast test_zlib test_pickle
	test_threading test_threading_local test_thread test_queue test_fork1
	test_subprocess test_concurrent_futures.ThreadPoolExecutorTest"

# Those of the modules that this machine has, one a line.
loadable='
import sys, unittest
for name in sys.argv[1:]:
    loader = unittest.TestLoader()
    tests = loader.loadTestsFromName("test." + name)
    if tests.countTestCases() > 0 and not loader.errors:
        print("test." + name)
'

prepare()
{
	# The machine's own cache of compiled modules stays as it is.
	export PYTHONPYCACHEPREFIX="$TMP/pycache" PYTHONHASHSEED=0
	# shellcheck disable=SC2046 # one word a module
	"$PYTHON" -c "$loadable" $(size "$short_modules" "$long_modules") \
		>"$INPUT/modules" 2>/dev/null || :
	if [ ! -s "$INPUT/modules" ]; then
		[ "$FULL" = 0 ] || fail "python3 has no test suite"
		say "the test suite of python3 is not installed: left out"
	fi
}

# One line a test, sorted, without the times.
results()
{
	sed -n -E 's/^(.*) \.\.\. (ok|FAIL|ERROR|skipped .*|expected failure)$/\1: \2/p
		s/^(Ran [0-9]+ tests?) in .*/\1/p
		/^(OK|FAILED)/p' | sort
}

own_tests()
{
	# shellcheck disable=SC2016 # $0 is the inner shell's
	PYTHONMALLOC=malloc run xargs -P 3 -I '{}' sh -c \
		'"$0" -m unittest -v {} >log.{} 2>&1 || echo "failed: {}"' \
		"$PYTHON" <"$INPUT/modules" | sort
	while read -r module; do
		echo "== $module"
		results <"log.$module"
		# What pcmalloc has to say must reach program_lib.sh, tests or not.
		grep '^pcmalloc:' "log.$module" >&2 || :
	done <"$INPUT/modules"
}

work()
{
	prove "$PYTHON" -c pass
	own_tests
	PYTHONMALLOC=malloc run "$PYTHON" "$HERE/workload.py" \
		"$(size 4000 60000)"
	run "$PYTHON" "$HERE/workload.py" "$(size 4000 60000)"
}

compare
