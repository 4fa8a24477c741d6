#!/bin/sh
# Scenario 3, as far as this machine's own libcs go: whose the registration is,
# on every thread, and a storm of detached threads that end.
#
#	s03_run.sh static_glibc | static_musl | musl
#
# The mode is the one that the library's statistics tell. `make check-matrix`
# does this and more with other releases' libcs.
set -eu

: "${PCM_BUILD:?}"
libc=$1

skip() {
	echo "$*"
	exit 77
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
# As test/static has it, so that both build it once.
musl=${PCM_BUILD#"$PWD"/}/musl

# musl_library FILE: pcmalloc built with musl, in its own directory.
musl_library() {
	command -v musl-gcc >/dev/null || skip "no musl-gcc (musl-tools)"
	# Nothing of the make that may have started this test.
	unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
	make -s B="$musl" CC=musl-gcc "$musl/$1" >/dev/null
}

build() {
	PCM_PROGRAMS="cell_identity detached_storm small_work" \
		sh test/matrix/build_programs.sh "$scratch" "$@"
}

# A static program gets nothing preloaded.
preload=
case $libc in
static_glibc)
	echo 'int main(void){return 0;}' |
		gcc -static -x c -o /dev/null - 2>/dev/null ||
		skip "gcc cannot link statically here"
	build gcc -static "$PCM_BUILD/libpcmalloc.a"
	owner="glibc's"
	;;
static_musl)
	musl_library libpcmalloc.a
	build musl-gcc -static "$musl/libpcmalloc.a"
	owner=own
	;;
musl)
	musl_library libpcmalloc.so
	build musl-gcc
	preload=$musl/libpcmalloc.so
	owner=own
	;;
esac

# run CONF PROGRAM ARGS...: leaves its mode in $mode.
run() {
	conf=$1 program=$2
	shift 2
	env ${preload:+"LD_PRELOAD=$preload"} PCMALLOC_CONF="$conf,stats:exit" \
		"$scratch/$program" "$@" >"$scratch/out" 2>"$scratch/err" || {
		echo "$conf $program: exit status $?"
		cat "$scratch/out" "$scratch/err"
		exit 1
	}
	mode=$(sed -n 's/^pcmalloc: mode: //p' "$scratch/err" | sort -u)
}

# expect CONF MODE: all programs under CONF; MODE is a pattern.
expect() {
	for program in cell_identity "detached_storm 3000" small_work; do
		# shellcheck disable=SC2086 # a program and its argument
		run "$1" $program
		case $mode in
		"fallback, no rseq in the kernel") skip "$mode" ;;
		esac
		# shellcheck disable=SC2254 # a pattern
		case $mode in
		$2) echo "$1 $program: $mode" ;;
		*)
			echo "$1 $program: $mode, not: $2"
			exit 1
			;;
		esac
	done
}

expect index:auto "per-CPU, $owner registration, *"
expect index:cpu_id "per-CPU, $owner registration, cpu_id"
expect rseq:off "fallback, rseq switched off"
if [ "$libc" = static_glibc ]; then
	GLIBC_TUNABLES=glibc.pthread.rseq=0
	export GLIBC_TUNABLES
	expect index:auto "per-CPU, own registration, *"
fi
