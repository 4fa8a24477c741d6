#!/bin/sh
# gcc and g++: the same objects, programs and diagnostics.
. "$(dirname "$0")/program_lib.sh"
need gcc awk
export CC=gcc CXX=g++
. "$(dirname "$0")/compile_lib.sh"
compare
