#!/bin/sh
# The fast paths of malloc and free do not grow: the instructions, loads and
# stores from the entry to the return, when the section succeeds, are counted in
# the disassembly, and compared with hot_path.limits.
#
#   hot_path.sh		the check: the library as built, and clang's code
#   hot_path.sh -l	prints the instructions, for docs/RSEQ.md

. "$(dirname "$0")/lint_lib.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
: "${PCM_BUILD:=build}"
: "${PCM_SO:=$PCM_BUILD/libpcmalloc.so}"
limits=test/lint/hot_path.limits
option=${1:-}

command -v objdump >/dev/null || {
	echo "no objdump"
	exit 77
}
objdump -f "$PCM_SO" | grep -q 'architecture: i386:x86-64' || {
	echo "no sections for this architecture"
	exit 77
}

# walk FUNCTION FILE [LISTING]
walk() {
	objdump -d --no-show-raw-insn "$2" | awk -v function_name="$1" \
		-v listing="${3:-0}" -f test/lint/hot_path.awk
}

# check FUNCTION FILE COMPILER
check() {
	counted=$(walk "$1" "$2")
	limit=$(sed -n "s/^$3 $1 //p" "$limits")
	echo "$3: $1: ${counted:-?} (at most: $limit)" \
		"instructions, loads, stores"
	# shellcheck disable=SC2086 # three numbers each
	set -- "$1" $counted $limit
	if [ $# -ne 7 ]; then
		complain "$1: no way through the section found, or no limit"
	elif [ "$2" -gt "$5" ] || [ "$3" -gt "$6" ] || [ "$4" -gt "$7" ]; then
		complain "$1: its fast path has grown"
	fi
}

# check_file FILE
check_file() {
	by=$(compiler "$1")
	if ! grep -q "^$by " "$limits"; then
		echo "no limits for code of ${by:-an unknown compiler}"
		return
	fi
	n=$((n + 1))
	check malloc "$1" "$by"
	check free "$1" "$by"
}

if [ "$option" = -l ]; then
	for name in malloc free; do
		by=$(compiler "$PCM_SO")
		echo "$name ($by): $(walk "$name" "$PCM_SO") instructions," \
			"loads, stores"
		walk "$name" "$PCM_SO" 1
	done
	exit 0
fi

n=0
check_file "$PCM_SO"
if command -v clang >/dev/null; then
	object=$lint_scratch/build/obj/allocator/malloc.o
	make -s B="$lint_scratch/build" CC=clang "$object" >/dev/null ||
		complain "clang does not compile malloc.c"
	check_file "$object"
fi
[ "$n" -gt 0 ] || {
	echo "no limits for these compilers"
	exit 77
}
lint_end
