#!/bin/sh
# An ordinary dynamic program that has libpcmalloc.a inside: libc.so then uses
# its malloc too.
set -eu
: "${PCM_ROOT:?}" "${PCM_A:?}"

program=$PCM_ROOT/test/static/whole_program
link=$PCM_ROOT/test/static/static_link.sh

"$link" gcc "$program.c" "$PCM_A"
"$link" g++ "$program.cc" "$PCM_A" -std=c++17
