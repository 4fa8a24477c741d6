#!/bin/sh
# Real programs on a library whose system calls fail: python3, sqlite3, gcc, and a
# shell pipeline. Each runs once for every plan, from its first instruction on.
#
# As long as malloc has not returned NULL (null_watch.c notes it) the output and
# the exit status are those of a run without faults. After that the program may
# end as it likes, but pcmalloc has no complaint and does not crash.
#
# PCM_FAULTS_FULL=1: every n; else SHORT of them at equal distances.

set -eu
: "${PCM_ROOT:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${PCM_BUILD:=$PCM_ROOT/build}"
faults=$PCM_BUILD/test/faults
FULL=${PCM_FAULTS_FULL:-0}
SHORT=8

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
unset LD_PRELOAD PCMALLOC_CONF
LC_ALL=C
export LC_ALL

cat >"$tmp/work.py" <<'END'
import threading

def work():
    words = {str(i): "x" * (i % 3000) for i in range(1500)}
    blocks = [bytearray(100000 + i * 50000) for i in range(12)]
    for block in blocks:
        block.extend(b"y" * 700000)
        del block[5000:]
    sums.append(sum(map(len, words.values())) + sum(map(len, blocks)))

sums = []
threads = [threading.Thread(target=work) for i in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(sums))
END
cat >"$tmp/work.sql" <<'END'
create table t (a integer primary key, b text);
with recursive n (i) as (select 1 union all select i + 1 from n where i < 6000)
insert into t select i, hex(zeroblob(i % 400)) from n;
create index u on t (b, a);
select count(*), sum(length(b)) from t;
select a from t order by b desc, a limit 3;
END
cat >"$tmp/work.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) { return strcmp(a, b); }
int main(int argc, char **argv)
{
	char words[64][64];
	int i;
	for (i = 0; i < 64 && i < argc; i++)
		snprintf(words[i], 64, "%s", argv[i]);
	qsort(words, i, 64, compare);
	while (i-- > 0)
		puts(words[i]);
	return 0;
}
END

run_python3() {
	PYTHONMALLOC=malloc /usr/bin/python3 -I -S "$tmp/work.py"
}

run_sqlite3() {
	sqlite3 -batch :memory: <"$tmp/work.sql"
}

run_gcc() {
	rm -f "$tmp/work.o"
	gcc -O2 -c -o "$tmp/work.o" "$tmp/work.c" && cksum <"$tmp/work.o"
}

run_sort() {
	seq 1 40000 | sort --parallel=2 -R --random-source="$tmp/work.c" -S 3M |
		tail -n 2
}

# with PLAN PROGRAM: leaves out, err, nulls, log and its status in $status.
with() {
	rm -f "$tmp/nulls" "$tmp/log"
	: >"$tmp/nulls"
	: >"$tmp/log"
	status=0
	(
		export PCM_FAULTS="$1" PCM_FAULTS_LOG="$tmp/log" \
			PCM_NULLS_LOG="$tmp/nulls" \
			LD_PRELOAD="$faults/null_watch.so $faults/libpcmalloc.so"
		"run_$2"
	) >"$tmp/out" 2>"$tmp/err" || status=$?
}

failed=0 crashes=0

complain() {
	echo "$*"
	tail -n 3 "$tmp/err" | sed 's/^/	/'
	failed=$((failed + 1))
}

# check PLAN PROGRAM
check() {
	if grep '^pcmalloc:' "$tmp/err"; then
		complain "$2 $1: pcmalloc complains"
	elif [ -s "$tmp/nulls" ] || grep -q bad_alloc "$tmp/err"; then
		[ "$status" -lt 128 ] || crashes=$((crashes + 1))
		nulls=$((nulls + 1))
	elif [ "$status" -ne 0 ] || ! cmp -s "$tmp/out" "$tmp/out.$2"; then
		complain "$2 $1: status $status, though no NULL was returned"
	fi
}

# try PROGRAM
try() {
	if ! command -v "$1" >/dev/null; then
		echo "$1: not there"
		return
	fi
	with none "$1"
	if [ "$status" -ne 0 ] || [ -s "$tmp/nulls" ] || ! [ -s "$tmp/log" ]; then
		complain "$1: does not run without faults"
		return
	fi
	mv "$tmp/out" "$tmp/out.$1"
	# Of the process that makes the most.
	calls=$(awk '$2 > n { n = $2 } END { print n + 0 }' "$tmp/log")
	n=$calls runs=0 nulls=0 hit=0
	[ "$FULL" = 1 ] || n=$SHORT
	i=1
	while [ "$i" -le "$n" ]; do
		for mode in one from; do
			plan=$mode:$((1 + (i - 1) * (calls - 1) / (n - 1)))
			with "$plan" "$1"
			check "$plan" "$1"
			runs=$((runs + 1))
			grep -q ' failed [1-9]' "$tmp/log" && hit=$((hit + 1))
		done
		i=$((i + 1))
	done
	echo "$1: $calls calls, $runs runs, $hit with a fault, $nulls with NULL"
	[ "$hit" -gt 0 ] || complain "$1: nothing has failed"
	[ "$nulls" -gt 0 ] || complain "$1: never was NULL returned"
	tried=$((tried + 1))
}

tried=0
for program in python3 sqlite3 gcc sort; do
	try "$program"
done
echo "$crashes ended by a signal after NULL"
[ "$tried" -ge 2 ] || complain "fewer than two programs"
[ "$failed" -eq 0 ]
