#!/bin/sh
# The figures in README.md and docs/ are those of docs/results/.
set -eu

cd "$PCM_ROOT"
python=/usr/bin/python3
if [ ! -x $python ]; then
	echo "no $python"
	exit 77
fi
exec $python bench/measure/report.py --check
