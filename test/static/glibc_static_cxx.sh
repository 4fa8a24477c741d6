#!/bin/sh
# A C++ program linked with -static and libpcmalloc.a: its operators are
# pcmalloc's, its exceptions libstdc++'s.
set -eu
: "${PCM_ROOT:?}" "${PCM_A:?}"

program=$PCM_ROOT/test/static/whole_program.cc
link=$PCM_ROOT/test/static/static_link.sh

if ! echo 'int main(){return 0;}' |
	g++ -static -x c++ -o /dev/null - 2>/dev/null; then
	echo "g++ cannot link statically here"
	exit 77
fi
"$link" g++ "$program" "$PCM_A" -static -std=c++17
"$link" g++ "$program" "$PCM_A" -static-libstdc++ -std=c++17
