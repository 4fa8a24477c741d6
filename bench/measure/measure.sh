#!/bin/sh
# Runs the measures: measure.sh [--rounds N] [MEASURE...], from the repository's
# root after a build. Environment: OUT, the folder for the CSV files (default
# docs/results), PCM_BUILD and PCM_SO.
set -eu

: "${PCM_BUILD:=$PWD/build}" "${PCM_SO:=$PCM_BUILD/libpcmalloc.so}"
: "${OUT:=docs/results}"
MEASURE_COMMAND="sh bench/measure/measure.sh${*:+ $*}"
export MEASURE_COMMAND

# The system's python3: another one may be no plain program but a wrapper.
python=/usr/bin/python3
[ -x $python ] || python=python3
exec $python bench/measure/measure.py --build "$PCM_BUILD" --so "$PCM_SO" \
	--out "$OUT" "$@"
