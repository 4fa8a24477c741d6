#!/bin/sh
# The benchmarks' driver works: a pattern and a program, one round each on every
# allocator; more rounds where there is time; the result files and what is drawn of
# them; a comparison of the library with itself, and one that must find that glibc needs
# more memory.
set -eu

cd "$PCM_ROOT"
python=/usr/bin/python3
if [ ! -x $python ]; then
	echo "no $python"
	exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

fail()
{
	echo "$*"
	exit 1
}

# rows FILE TEST ALLOCATOR: how many there are.
rows()
{
	grep -c "^$2,1,$3," "$scratch/bench-$1.csv" || :
}

$python -B bench/suite/bench.py --build "$PCM_BUILD" --out "$scratch" \
	--patterns server --only server,python-json --rounds 1 --scale 0.02
for allocator in pcmalloc pcmalloc-off glibc; do
	[ "$(rows patterns server $allocator)" = 1 ] ||
		fail "no row of server on $allocator"
	[ "$(rows programs python-json $allocator)" = 1 ] ||
		fail "no row of python-json on $allocator"
done
if $python -c 'import matplotlib' 2>/dev/null; then
	$python -B bench/suite/plots.py "$scratch"
	for plot in means patterns programs; do
		grep -q '</svg>' "$scratch/bench-$plot.svg" ||
			fail "bench-$plot.svg is not drawn"
	done
fi

mkdir "$scratch/more"
$python -B bench/suite/bench.py --build "$PCM_BUILD" --out "$scratch/more" \
	--patterns server --only server --scale 0.02 --budget 10
grep -q "^server,4,pcmalloc," "$scratch/more/bench-patterns.csv" ||
	fail "three rounds, though there is time"

compare()
{
	status=0
	$python -B bench/suite/compare.py --build "$PCM_BUILD" \
		--patterns server --only server --scale 0.005 "$@" \
		>"$scratch/compare" 2>&1 || status=$?
	cat "$scratch/compare"
}

compare --base-so "$PCM_SO" --rounds 1
[ "$status" = 0 ] || fail "the library compares worse than itself"
grep -q '^nothing is slower or bigger$' "$scratch/compare" ||
	fail "it does not say so"

compare --base-so "$PCM_SO" --rounds 6 \
	--tree-so "$PCM_BUILD/bench/measure/libnothing.so"
[ "$status" = 1 ] || fail "a server on glibc is not found to be bigger"
grep -q '^bigger than .*: server, ' "$scratch/compare" ||
	fail "it does not say what is bigger"
