#!/bin/sh
# A C program linked with -static, and with -static-pie, and libpcmalloc.a.
set -eu
: "${PCM_ROOT:?}" "${PCM_A:?}"

program=$PCM_ROOT/test/static/whole_program.c
link=$PCM_ROOT/test/static/static_link.sh

if ! echo 'int main(void){return 0;}' |
	gcc -static -x c -o /dev/null - 2>/dev/null; then
	echo "gcc cannot link statically here"
	exit 77
fi
"$link" gcc "$program" "$PCM_A" -static
"$link" gcc "$program" "$PCM_A" -static-pie -fPIE
