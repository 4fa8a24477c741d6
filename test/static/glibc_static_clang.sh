#!/bin/sh
# The same with clang, in C and C++.
set -eu
: "${PCM_ROOT:?}" "${PCM_A:?}"

program=$PCM_ROOT/test/static/whole_program
link=$PCM_ROOT/test/static/static_link.sh

if ! command -v clang++ >/dev/null; then
	echo "no clang++"
	exit 77
fi
"$link" clang "$program.c" "$PCM_A" -static
"$link" clang++ "$program.cc" "$PCM_A" -static -std=c++17
