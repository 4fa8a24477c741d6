#!/bin/sh
# The library, built by clang without a word, works.

. "$(dirname "$0")/lint_lib.sh"
. "$(dirname "$0")/build_lib.sh"

command -v clang >/dev/null || {
	echo "no clang"
	exit 77
}

build_and_try clang CC=clang CXX=clang++
lint_end
