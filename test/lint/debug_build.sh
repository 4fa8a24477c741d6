#!/bin/sh
# A build that checks the order of locks finds nothing to complain about.

. "$(dirname "$0")/lint_lib.sh"
. "$(dirname "$0")/build_lib.sh"

build_and_try "${CC:-cc}" DEBUG=1
lint_end
