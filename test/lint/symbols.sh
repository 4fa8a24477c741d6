#!/bin/sh
# The symbols of libpcmalloc.so: exported is what allocator/pcmalloc.map lists
# and nothing else; needed is libc only, and of it only what stands here. The
# object files of a layer need nothing of the layers above.

. "$(dirname "$0")/lint_lib.sh"
: "${PCM_BUILD:=build}"
: "${PCM_SO:=$PCM_BUILD/libpcmalloc.so}"

command -v nm >/dev/null || {
	echo "no nm"
	exit 77
}

# ---- exported ----

# The names in the version script, some of them shell patterns.
sed -e 's|/\*.*\*/||' -e '/^local:/,$d' allocator/pcmalloc.map |
	tr ';{} \t' '\n' | grep -v -e ':$' -e '^$' -e '^PCM' \
	>"$lint_scratch/listed"
nm -D --defined-only "$PCM_SO" | awk '$2 != "A" { sub(/@.*/, "", $3)
	print $3 }' | sort -u >"$lint_scratch/exported"
[ -s "$lint_scratch/listed" ] || complain "nothing found in pcmalloc.map"
[ -s "$lint_scratch/exported" ] || complain "$PCM_SO exports nothing"

# matches NAME PATTERN
matches() {
	# shellcheck disable=SC2254 # it is a pattern
	case $1 in
	$2) return 0 ;;
	esac
	return 1
}

while read -r name; do
	found=
	while read -r pattern; do
		matches "$name" "$pattern" && found=yes && break
	done <"$lint_scratch/listed"
	[ -n "$found" ] || complain "exported, but not in pcmalloc.map: $name"
done <"$lint_scratch/exported"

while read -r pattern; do
	found=
	while read -r name; do
		matches "$name" "$pattern" && found=yes && break
	done <"$lint_scratch/exported"
	[ -n "$found" ] || complain "in pcmalloc.map, but not exported: $pattern"
done <"$lint_scratch/listed"

# ---- needed ----

# Whoever adds a name here has made sure that it does not allocate, lock, or
# fail before libc is set up - or is used outside of malloc's core only.
cat >"$lint_scratch/allowed" <<'END'
U abort
U memchr
U memcmp
U memcpy
U memmove
U memset
U strcmp
U strcspn
U strlen
U strncmp
U clock_gettime
U getauxval
U environ
U __environ
U __errno_location
U dl_iterate_phdr
U strrchr
U pthread_atfork
U __register_atfork
w dlclose
w pthread_create
w dlopen
w dlsym
w __cxa_finalize
w __gmon_start__
w _ITM_deregisterTMCloneTable
w _ITM_registerTMCloneTable
w _ZSt15get_new_handlerv
w _ZSt17__throw_bad_allocv
w __rseq_offset
w __rseq_size
v __libc_stack_end
w __libc_stack_end
END
# malloc_info() writes to the caller's stream; nothing else uses stdio.
cat >"$lint_scratch/stdio" <<'END'
U fprintf
U fputs
U fwrite
U fputc
END

nm -D --undefined-only "$PCM_SO" | awk '{ sub(/@.*/, "", $2); print $1, $2 }' |
	sort -u >"$lint_scratch/needed"
cat "$lint_scratch/allowed" "$lint_scratch/stdio" |
	sort -u >"$lint_scratch/all_allowed"
comm -23 "$lint_scratch/needed" "$lint_scratch/all_allowed" \
	>"$lint_scratch/unexpected"
while read -r name; do
	complain "needed, but not expected: $name"
done <"$lint_scratch/unexpected"

# ---- versions ----

# One binary for every glibc since Debian 11's.
newest_glibc=2.31
objdump -T "$PCM_SO" | sed -n 's/.*GLIBC_\([0-9][0-9.]*\).*/\1/p' |
	sort -u >"$lint_scratch/versions"
[ -s "$lint_scratch/versions" ] || complain "no versioned symbol is needed"
while read -r version; do
	[ "$(printf '%s\n' "$version" $newest_glibc | sort -V | tail -n 1)" = \
		$newest_glibc ] || complain "needs GLIBC_$version"
done <"$lint_scratch/versions"

# ---- object files ----

sed 's/^. //' "$lint_scratch/stdio" | sort -u >"$lint_scratch/stdio_names"
printf '%s\n' stderr stdout printf vfprintf vprintf snprintf vsnprintf sprintf \
	puts putchar putc perror fopen fclose fflush strerror |
	sort -u - "$lint_scratch/stdio_names" >"$lint_scratch/stdio_all"

# undefined OBJECT..., defined OBJECT...: names, sorted.
undefined() {
	nm --undefined-only "$@" | awk 'NF == 2 { print $2 }' | sort -u
}

defined() {
	nm --defined-only --extern-only "$@" | awk 'NF == 3 { print $3 }' |
		sort -u
}

objects=$PCM_BUILD/obj
for object in "$objects"/rseq/*.o "$objects"/percpu/*.o \
	"$objects"/allocator/*.o; do
	case $object in
	*/malloc_tune.o) continue ;;
	esac
	undefined "$object" | comm -12 - "$lint_scratch/stdio_all" |
		while read -r name; do
			complain "${object##*/} uses stdio: $name"
		done
done

# against BELOW ABOVE: does an object file of BELOW need one of ABOVE's names?
against() {
	defined "$objects/$2"/*.o >"$lint_scratch/above"
	undefined "$objects/$1"/*.o | comm -12 - "$lint_scratch/above" |
		while read -r name; do
			complain "$1/ needs $name of $2/"
		done
}
against rseq percpu
against rseq allocator
against percpu allocator

lint_end
