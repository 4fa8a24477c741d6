#!/bin/sh
# Links a whole program with libpcmalloc.a, shows from the linker's map that all
# of malloc comes from there and nothing from libc or libstdc++, and runs it in
# each configuration:
#
#   static_link.sh COMPILER SOURCE ARCHIVE FLAGS...
#
# The tests *_static_*.sh beside this file call it.

set -u
: "${PCM_ROOT:?}"

compiler=$1 source=$2 archive=$3
shift 3

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
program=$scratch/program
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

# shellcheck disable=SC2086 # the compiler may be several words
$compiler -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -fno-builtin "$@" \
	-I"$PCM_ROOT/include" -I"$PCM_ROOT/test/interface" -pthread \
	-Wl,-Map="$scratch/map",--no-demangle \
	-o "$program" "$source" "$archive" || exit 1

# origin SYMBOL: the archive member or object that defines it, from the map.
origin() {
	awk -v symbol="$1" '
		NF >= 4 && $NF ~ /\.l?o\)?$/ { object = $NF }
		NF == 3 && $2 ~ /^0x/ && $3 ~ /\.l?o\)?$/ { object = $3 }
		NF == 2 && $1 ~ /^0x/ && $2 == symbol { print object; exit }
	' "$scratch/map"
}

# Every function of the family that is in the program is pcmalloc's.
family="malloc free calloc realloc reallocarray aligned_alloc memalign
	posix_memalign valloc pvalloc malloc_usable_size _Znwm _Znam _ZdlPv
	_ZdaPv _ZdlPvm _ZnwmSt11align_val_t _ZdlPvmSt11align_val_t"
nm "$program" | awk 'NF == 3 && $2 ~ /[TtWwVv]/ { print $3 }' |
	sort -u >"$scratch/symbols"
for symbol in $family; do
	grep -qx "$symbol" "$scratch/symbols" || continue
	case $(origin "$symbol") in
	*libpcmalloc.a*) ;;
	*) fail "$symbol comes from '$(origin "$symbol")'" ;;
	esac
done
grep -qx malloc "$scratch/symbols" || fail "no malloc in the program"
grep -qx free "$scratch/symbols" || fail "no free in the program"

# No member of libc's or libstdc++'s archive that is an allocator: ptmalloc is
# malloc.o; mallocng and its simple stand-in are the rest. A member is linked if
# one of its sections has an address and a size.
# libstdc++'s nothrow forms (new_opnt.o) may be there: they call the others.
allocators='malloc|free|calloc|realloc|lite_malloc|libc_calloc|donate'
allocators="$allocators|aligned_alloc|memalign|posix_memalign"
allocators="$allocators|malloc_usable_size|arena|new_opv?a?|del_op[a-z]*"
linked=$(awk '
	NF == 4 { address = $2; size = $3 }
	NF == 3 { address = $1; size = $2 }
	$NF ~ /\/lib(c|stdc\+\+|supc\+\+)\.a\(/ && address ~ /^0x0*[1-9a-f]/ &&
	size ~ /^0x[1-9a-f]/ {
		sub(/.*\//, "", $NF)
		print $NF
	}' "$scratch/map" | sort -u | grep -E "\(($allocators)\.l?o\)" |
	tr '\n' ' ')
[ -z "$linked" ] || fail "of libc's or libstdc++'s own: $linked"

# The names inside them, whatever their object is called.
internal='_int_malloc|_int_free|_int_realloc|_int_memalign|sysmalloc'
internal="$internal|ptmalloc_init|main_arena|arena_get2|tcache_init"
internal="$internal|__malloc_alloc_meta|__malloc_context|__simple_malloc"
internal="$internal|alloc_slot|nontrivial_free"
found=$(nm "$program" | awk '{ print $NF }' | grep -Ex "$internal" |
	tr '\n' ' ')
[ -z "$found" ] || fail "libc's allocator is there: $found"

expect_mode() {
	out=$(PCMALLOC_CONF=$1 "$program" 2>"$scratch/err")
	status=$?
	if [ $status -ne 0 ] || [ -s "$scratch/err" ]; then
		fail "$1: status $status: $out"
		cat "$scratch/err"
		return
	fi
	case $out in
	$2"
ended") echo "$1: $out" ;;
	*) fail "$1: ran as '$out'" ;;
	esac
}

expect_mode '' '?*'
expect_mode rseq:off 'fallback, rseq switched off'
case $(PCMALLOC_CONF='' "$program") in
per-CPU*)
	expect_mode index:cpu_id 'per-CPU, *, cpu_id'
	expect_mode index:mm_cid 'per-CPU, *'
	;;
esac

[ $failures -eq 0 ]
