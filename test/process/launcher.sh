#!/bin/sh
# build/pcmalloc PROGRAM ARGS...: the program runs on pcmalloc with its
# arguments, exit status, signals, environment and standard files as they are.

set -u
: "${PCM_BUILD:?}"

launcher=$PCM_BUILD/pcmalloc
program=$PCM_BUILD/test/process/small_work
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

out=$("$launcher" printf '<%s>' 'a b' '' '*' 'c"d' -x)
[ "$out" = '<a b><><*><c"d><-x>' ] || fail "arguments: $out"

"$launcher" sh -c 'exit 42'
[ $? -eq 42 ] || fail "the exit status is not the program's"

"$launcher" sh -c 'kill -TERM $$'
[ $? -eq 143 ] || fail "the signal is not the program's"

out=$(echo hello | "$launcher" cat)
[ "$out" = hello ] || fail "standard input: $out"

# Not a program of coreutils or a shell: these close fd 2 before the statistics,
# or end with _exit.
out=$(PCMALLOC_CONF=rseq:off,stats:exit "$launcher" "$program" 2>&1 |
	head -n 1)
[ "$out" = "pcmalloc: mode: fallback, rseq switched off" ] ||
	fail "does not run on pcmalloc, or not as configured: $out"

# What the program starts runs on it too.
out=$(PCMALLOC_CONF=stats:exit "$launcher" \
	sh -c "'$program'; '$program'; exit 0" 2>&1 |
	grep -c '^pcmalloc: mode: ')
[ "$out" -ge 2 ] || fail "children do not run on pcmalloc: $out"

# A library that is preloaded already stays preloaded.
out=$(LD_PRELOAD=libm.so.6 "$launcher" sh -c 'echo "$LD_PRELOAD"')
case $out in
*libpcmalloc.so*libm.so.6* | *libm.so.6*libpcmalloc.so*) ;;
*) fail "LD_PRELOAD is lost: $out" ;;
esac

# From any directory.
out=$(cd / && PCMALLOC_CONF=stats:exit "$launcher" "$program" 2>&1 |
	head -n 1)
case $out in
"pcmalloc: mode: "*) ;;
*) fail "does not work from another directory: $out" ;;
esac

# Where the library cannot be preloaded the program does not run without it.
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
for dir in "$scratch/a space" "$scratch/a:colon"; do
	mkdir "$dir"
	cp "$launcher" "$PCM_BUILD/libpcmalloc.so.0" "$dir/"
	out=$("$dir/pcmalloc" echo ran 2>&1)
	[ $? -eq 125 ] || fail "$dir: the status is not 125"
	[ "$out" = "pcmalloc: $dir/libpcmalloc.so.0: Cannot be \
preloaded, for a space or a colon" ] || fail "$dir: $out"
done

"$launcher" >/dev/null 2>&1
[ $? -ne 0 ] || fail "no program is no error"
"$launcher" 2>&1 >/dev/null | grep -q . || fail "no program, and no usage"

"$launcher" no-such-program-at-all 2>/dev/null
[ $? -eq 127 ] || fail "a program that is not there: status is not 127"

[ $failures -eq 0 ]
