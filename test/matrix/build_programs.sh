#!/bin/sh
# Compiles the programs of the matrix for one libc:
#
#	build_programs.sh OUT COMPILER [FLAGS AND LIBRARIES...]
#	build_programs.sh --deny OUT COMPILER
#
# --deny: those that refuse system calls. PCM_PROGRAMS: names, if not all.
# From the root of the tree. With -static among the flags they are linked with
# the libpcmalloc.a that is given; otherwise with no allocator at all.
set -eu

deny=no
if [ "$1" = --deny ]; then
	deny=yes
	shift
fi
out=$1 compiler=$2
shift 2

flags="-std=gnu11 -O2 -g -Wall -Wextra -Wundef -Werror -D_GNU_SOURCE
	-fno-builtin -pthread -Iinclude -Itest/interface -Itest/stress
	-Itest/matrix -Itest/scenarios -include test/matrix/malloc_missing.h"
symbols=
libraries=-ldl
for argument; do
	if [ "$argument" = -static ]; then
		symbols=test/matrix/static_symbols.c
		libraries=
	fi
done

# compile NAME SOURCES...
compile() {
	name=$1
	shift
	# shellcheck disable=SC2086 # lists of words
	$compiler $flags -o "$out/$name" "$@" $symbols $arguments $libraries
}

arguments=$*
mkdir -p "$out"
if [ $deny = yes ]; then
	filter="test/matrix/deny_filter.c test/scenarios/syscall_filter.c"
	# shellcheck disable=SC2086 # two files
	compile deny_calls test/matrix/deny_calls.c $filter
	# shellcheck disable=SC2086 # the same
	compile deny_late.so -fPIC -shared test/matrix/deny_late.c $filter
	exit
fi
stress="pattern migrate twice signal churn fork trim"
for name in ${PCM_PROGRAMS:-small_work cell_identity detached_storm $stress}; do
	case " $stress " in
	*" $name "*)
		compile "stress_$name" "test/stress/stress_$name.c" \
			test/stress/stress.c test/stress/stress_blocks.c
		;;
	*)
		compile "$name" test/*/"$name.c"
		;;
	esac
done
