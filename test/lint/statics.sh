#!/bin/sh
# Where the statics of libpcmalloc.so lie: each page that small processes write to costs
# them a page fault, so PCM_TABLE() and the Makefile put together what they use.

. "$(dirname "$0")/lint_lib.sh"
: "${PCM_BUILD:=build}"
: "${PCM_SO:=$PCM_BUILD/libpcmalloc.so}"

for tool in nm readelf; do
	command -v $tool >/dev/null || {
		echo "no $tool"
		exit 77
	}
done

PAGE=4096

nm -S --defined-only "$PCM_SO" >"$lint_scratch/symbols"
case $(compiler "$PCM_SO") in
clang*)
	echo "not as clang makes them"
	exit 77
	;;
esac
grep -q ' [bB] pcm_page_heap$' "$lint_scratch/symbols" || {
	echo "a debug build: ranks of locks are initial values"
	exit 77
}

# begin NAME, end NAME: the address of its first byte, the one behind its last
begin() {
	echo $((0x$(awk -v n="$1" '$4 == n { print $1 }' "$lint_scratch/symbols")))
}
end() {
	echo $(($(awk -v n="$1" '$4 == n { print "0x" $1 "+0x" $2 }' \
		"$lint_scratch/symbols")))
}

# first NAME, last NAME: the pages that these lie on
first() {
	echo $(($(begin "$1") / PAGE))
}
last() {
	echo $((($(end "$1") - 1) / PAGE))
}

# same_page PAGE PAGE WHAT
same_page() {
	[ "$1" -eq "$2" ] || complain "not on one page: $3"
}

# section NAME: its address
section() {
	echo $((0x$(readelf -SW "$PCM_SO" | sed 's/^ *\[ *[0-9]*\] *//' |
		awk -v n="$1" '$1 == n { print $3 }')))
}

data=$(($(section .data) / PAGE))
same_page "$data" $(($(section .bss) / PAGE)) "beginnings of .data and .bss"
for name in pcm_size_class_fine pcm_capacity_now pcm_rseq_process; do
	same_page "$data" "$(first $name)" "the initialised statics and $name"
done
# Its misses, and depots of sizes up to 2 KiB.
HOME_BYTES=2208
home=$((($(begin pcm_homes) + HOME_BYTES - 1) / PAGE))
[ "$home" -le $((data + 2)) ] || complain "more than three pages:" \
	"small variables, size classes and the first home"
same_page "$(last pcm_page_heap)" "$(first pcm_slab_distance)" \
	"end of pcm_page_heap and beginning of pcm_slab_distance"

# A cache line of its own, or shared only with what is written to as well.
LINE=128
for name in pcm_size_class_fine pcm_size_class_coarse pcm_slab_distance pcm_meta_lock \
	pcm_lock_nsleeps pcm_homes; do
	[ $(($(begin $name) % LINE)) -eq 0 ] || complain "begins no line: $name"
done

lint_end
