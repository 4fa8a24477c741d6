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
grep -q ' [bB] pcm_page_heap$' "$lint_scratch/symbols" || {
	echo "a debug build: ranks of locks are initial values"
	exit 77
}

# first NAME, last NAME: the page of its first byte, of its last
first() {
	echo $((0x$(awk -v n="$1" '$4 == n { print $1 }' \
		"$lint_scratch/symbols") / PAGE))
}
last() {
	set -- "$(awk -v n="$1" '$4 == n { print "0x" $1 "+0x" $2 }' \
		"$lint_scratch/symbols")"
	echo $((($1 - 1) / PAGE))
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
for name in pcm_size_class_fine pcm_capacity_now pcm_rseq_process pcm_lock_nsleeps; do
	same_page "$data" "$(first $name)" "the initialised statics and $name"
done
same_page $((data + 1)) "$(first pcm_homes)" \
	"the last small variables and the first home"
same_page "$(last pcm_page_heap)" "$(first pcm_slab_distance)" \
	"end of pcm_page_heap and beginning of pcm_slab_distance"
same_page "$(last states)" "$(first pcm_slab_distance_slow)" \
	"end of states and beginning of pcm_slab_distance_slow"

lint_end
