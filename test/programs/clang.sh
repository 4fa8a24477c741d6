#!/bin/sh
# clang and clang++: the same objects, programs and diagnostics.
. "$(dirname "$0")/program_lib.sh"
need clang awk
export CC=clang CXX=clang++
. "$(dirname "$0")/compile_lib.sh"
compare
