#!/bin/sh
# What libpcmalloc.so is from the outside: its soname, what it needs, what it
# exports, and its flags; and that its header stands alone in C and C++.

set -u
: "${PCM_SO:?}" "${PCM_ROOT:?}"

command -v readelf >/dev/null || { echo "no readelf"; exit 77; }

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0

complain() {
	echo "$*"
	failures=$((failures + 1))
}

# The value of a tag of the dynamic section, in the brackets readelf prints.
dynamic() {
	readelf -dW "$PCM_SO" | sed -n "s/.*($1).*\[\(.*\)\]/\1/p"
}

[ "$(dynamic SONAME)" = libpcmalloc.so.0 ] ||
	complain "soname: $(dynamic SONAME)"
[ "$(dynamic NEEDED)" = libc.so.6 ] ||
	complain "needs more than libc: $(dynamic NEEDED | tr '\n' ' ')"
readelf -dW "$PCM_SO" | grep '(FLAGS_1)' | grep -q NODELETE ||
	complain "not linked with -z nodelete"
if readelf -dW "$PCM_SO" | grep -q '(TEXTREL)\|TEXTREL'; then
	complain "has text relocations"
fi
readelf -lW "$PCM_SO" | grep GNU_STACK | grep -q 'RWE' &&
	complain "asks for an executable stack"

# Exported = defined, global or weak, not hidden. The version node itself is an
# absolute symbol and does not count.
readelf --dyn-syms -W "$PCM_SO" | awk '
	$1 ~ /^[0-9]+:$/ && $7 != "UND" && $7 != "ABS" && $5 != "LOCAL" {
		sub(/@.*/, "", $8)
		print $8
	}' | sort -u >"$scratch/exported"

cat >"$scratch/c" <<'END'
aligned_alloc
calloc
cfree
free
free_aligned_sized
free_sized
mallinfo
mallinfo2
malloc
malloc_info
malloc_stats
malloc_trim
malloc_usable_size
mallopt
memalign
posix_memalign
pvalloc
realloc
reallocarray
valloc
END

cat >"$scratch/operators" <<'END'
_ZdaPv
_ZdaPvRKSt9nothrow_t
_ZdaPvSt11align_val_t
_ZdaPvSt11align_val_tRKSt9nothrow_t
_ZdaPvm
_ZdaPvmSt11align_val_t
_ZdlPv
_ZdlPvRKSt9nothrow_t
_ZdlPvSt11align_val_t
_ZdlPvSt11align_val_tRKSt9nothrow_t
_ZdlPvm
_ZdlPvmSt11align_val_t
_Znam
_ZnamRKSt9nothrow_t
_ZnamSt11align_val_t
_ZnamSt11align_val_tRKSt9nothrow_t
_Znwm
_ZnwmRKSt9nothrow_t
_ZnwmSt11align_val_t
_ZnwmSt11align_val_tRKSt9nothrow_t
END

cat >"$scratch/interposed" <<'END'
__rseq_abi
__rseq_refcount
clone
__clone
dallocx
mallocx
nallocx
rallocx
sallocx
sdallocx
vfork
__vfork
xallocx
END

# Every function that the public header declares.
sed -n '/^[a-z]/s/.*\<\(pcm_[a-z0-9_]*\)(.*/\1/p' \
	"$PCM_ROOT/include/pcmalloc/pcmalloc.h" | sort -u >"$scratch/pcm"
[ -s "$scratch/pcm" ] || complain "the header declares nothing"

sort -u "$scratch/c" "$scratch/operators" "$scratch/interposed" \
	"$scratch/pcm" >"$scratch/expected"
for symbol in $(comm -23 "$scratch/expected" "$scratch/exported"); do
	complain "not exported: $symbol"
done
for symbol in $(comm -13 "$scratch/expected" "$scratch/exported"); do
	complain "exported for nothing: $symbol"
done

# Nothing of a C++ runtime may be needed to start.
readelf --dyn-syms -W "$PCM_SO" | awk '$7 == "UND" && $5 == "GLOBAL" &&
	$8 ~ /^(_ZS|_ZN|__cxa_throw|__gxx)/ { print $8 }' >"$scratch/cxx"
[ -s "$scratch/cxx" ] &&
	complain "needs of a C++ runtime: $(tr '\n' ' ' <"$scratch/cxx")"

# The header, alone and strictly.
echo '#include <pcmalloc/pcmalloc.h>' >"$scratch/header.c"
cp "$scratch/header.c" "$scratch/header.cc"
${CC:-cc} -std=c99 -pedantic -Wall -Wextra -Wundef -Werror -fsyntax-only \
	-I"$PCM_ROOT/include" "$scratch/header.c" ||
	complain "the header is not C99"
if command -v "${CXX:-c++}" >/dev/null; then
	${CXX:-c++} -std=c++11 -pedantic -Wall -Wextra -Wundef -Werror \
		-fsyntax-only -I"$PCM_ROOT/include" "$scratch/header.cc" ||
		complain "the header is not C++11"
fi

[ "$failures" -eq 0 ]
