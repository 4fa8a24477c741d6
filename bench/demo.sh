#!/bin/sh
# `make demo`: real programs on real input, without and with pcmalloc in turns.
# Prints a table of time and peak memory (medians over the rounds), and the mode
# that pcmalloc itself reports at the end of each run.  Takes about a minute.
#
#   redis-server  serves redis-benchmark over a private socket: SET, GET, LPUSH,
#                 LPOP, HSET of 100-byte values, 16 requests to a batch.
#                 Time: of the benchmark.  Memory: the server's.
#   python3       parses, indexes and writes as JSON the standard library's own
#                 sources (bench/demo/index.py).
#   gcc -O2       compiles a generated C file of several thousand lines.
#
# "Without" is what the program runs on as it is installed: its own choice of
# allocator (Debian's redis-server comes with jemalloc), else libc's.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${PCM_BUILD:-$ROOT/build}
LAUNCHER=$BUILD/pcmalloc
PYTHON=/usr/bin/python3
ROUNDS=${DEMO_ROUNDS:-5}
SECONDS_MAX=65
TMP=
SERVER=
WITH_REDIS=1
export LC_ALL=C PYTHONHASHSEED=0
unset LD_PRELOAD PCMALLOC_CONF MAKEFLAGS

fail()
{
	echo "demo: $*" >&2
	exit 1
}

cleanup()
{
	if [ -n "$SERVER" ]; then
		kill -9 "$SERVER" 2>/dev/null || :
	fi
	if [ -n "$TMP" ]; then
		rm -rf "$TMP"
	fi
}

now()
{
	date +%s.%N
}

# on SIDE CMD ARGS...: replace this process by CMD, with pcmalloc or without.
on()
{
	side=$1
	shift
	if [ "$side" = with ]; then
		PCMALLOC_CONF=stats:exit exec "$LAUNCHER" "$@"
	fi
	exec "$@"
}

# record PROGRAM SIDE SECONDS KIB
record()
{
	echo "$1 $2 $3 $4" >>"$TMP/samples"
}

# note_mode PROGRAM SIDE STDERR: what pcmalloc reported; no report, no figure.
note_mode()
{
	if [ "$2" = without ]; then
		return
	fi
	sed -n 's/^pcmalloc: mode: //p' "$3" >"$TMP/mode"
	if [ ! -s "$TMP/mode" ]; then
		cat "$3" >&2
		fail "$1 did not run on pcmalloc"
	fi
	sort -u "$TMP/mode" >>"$TMP/modes"
}

# command_round PROGRAM SIDE CMD ARGS...: one run of an ordinary command.  The
# output must be the same every time.
command_round()
{
	program=$1
	side=$2
	shift 2
	(on_measured "$side" "$@") >"$TMP/out" 2>"$TMP/err" ||
		fail "cannot run $program"
	if ! grep -qE '^status 0(\.0*)?$' "$TMP/out"; then
		cat "$TMP/out" "$TMP/err" >&2
		fail "$program failed"
	fi
	note_mode "$program" "$side" "$TMP/err"
	same_output "$program"
	record "$program" "$side" "$(sed -n 's/^wall //p' "$TMP/out")" \
		"$(sed -n 's/^peak_kib //p' "$TMP/out")"
}

on_measured()
{
	side=$1
	shift
	if [ "$side" = with ]; then
		exec "$TMP/child" PCMALLOC_CONF=stats:exit "$LAUNCHER" "$@"
	fi
	exec "$TMP/child" "$@"
}

same_output()
{
	grep -vE '^(wall|cpu|peak_kib|status) ' "$TMP/out" >"$TMP/said" || :
	if [ ! -e "$TMP/said.$1" ]; then
		mv "$TMP/said" "$TMP/said.$1"
	elif ! cmp -s "$TMP/said" "$TMP/said.$1"; then
		fail "$1 printed something else than in the round before"
	fi
}

answers()
{
	redis-cli -s "$TMP/redis.sock" PING 2>/dev/null | grep -q PONG
}

start_redis()
{
	(on "$1" redis-server --port 0 --unixsocket "$TMP/redis.sock" \
		--dir "$TMP" --save '' --appendonly no --daemonize no \
		--logfile "$TMP/redis.log") >/dev/null 2>"$TMP/err" &
	SERVER=$!
	tries=0
	until answers; do
		tries=$((tries + 1))
		if [ "$tries" -gt 100 ]; then
			cat "$TMP/err" "$TMP/redis.log" >&2
			fail "redis-server does not answer"
		fi
		sleep 0.05
	done
}

redis_round()
{
	start_redis "$1"
	begin=$(now)
	redis-benchmark -s "$TMP/redis.sock" -q -P 16 -c 20 -n 200000 \
		-r 100000 -d 100 -t set,get,lpush,lpop,hset >"$TMP/out" ||
		fail "redis-benchmark failed"
	end=$(now)
	kib=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$SERVER/status")
	redis-cli -s "$TMP/redis.sock" SHUTDOWN NOSAVE >/dev/null 2>&1 || :
	wait "$SERVER" || fail "redis-server failed: $(cat "$TMP/err")"
	SERVER=
	note_mode redis-server "$1" "$TMP/err"
	record redis-server "$1" "$(echo "$end $begin" |
		awk '{ printf "%.3f", $1 - $2 }')" "$kib"
}

# Builds of redis 7.4 and later that are linked with jemalloc allocate by
# jemalloc's own mallocx and ask malloc_usable_size about it: they run on no
# malloc that lacks mallocx.
redis_wants_jemalloc()
{
	grep -aqw mallocx "$(command -v redis-server)" &&
		! grep -aqw mallocx "$BUILD/libpcmalloc.so"
}

one_round()
{
	if [ "$WITH_REDIS" = 1 ]; then
		for side in "$@"; do
			redis_round "$side"
		done
	fi
	for side in "$@"; do
		command_round python3 "$side" "$PYTHON" \
			"$ROOT/bench/demo/index.py" 5000000
	done
	for side in "$@"; do
		command_round gcc "$side" gcc -O2 -c "$TMP/big.c" -o "$TMP/big.o"
		cksum <"$TMP/big.o" >>"$TMP/objects"
	done
}

# All rounds, or as many as there is time for; the side that is first changes.
all_rounds()
{
	begin_all=$(date +%s)
	round=1
	while [ "$round" -le "$ROUNDS" ]; do
		if [ $((round % 2)) = 1 ]; then
			one_round without with
		else
			one_round with without
		fi
		printf '.'
		used=$(($(date +%s) - begin_all))
		if [ $((used + used / round)) -gt "$SECONDS_MAX" ]; then
			break
		fi
		round=$((round + 1))
	done
	printf '\n'
	if [ "$(sort -u "$TMP/objects" | wc -l)" != 1 ]; then
		fail "gcc wrote different objects"
	fi
}

table()
{
	awk '
	function median(key,  n, i, j, t, v) {
		n = split(values[key], v, " ")
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
		if (n % 2)
			return v[(n + 1) / 2]
		return (v[n / 2] + v[n / 2 + 1]) / 2
	}
	function row(program, label,  tp, tw, mp, mw) {
		tp = median(program " without time")
		tw = median(program " with time")
		mp = median(program " without kib") / 1024
		mw = median(program " with kib") / 1024
		printf "%-15s %8.2f %8.2f %6.2f   %8.1f %8.1f %6.2f\n",
			label, tp, tw, tw / tp, mp, mw, mw / mp
	}
	{
		key = $1 " " $2
		values[key " time"] = values[key " time"] " " $3
		values[key " kib"] = values[key " kib"] " " $4
	}
	END {
		print "                        time, seconds    " \
			"     peak memory, MiB"
		print "program          without     with  ratio " \
			"   without     with  ratio"
		if ("redis-server with kib" in values)
			row("redis-server", "redis-server")
		row("python3", "python3")
		row("gcc", "gcc -O2")
	}' "$TMP/samples"
}

machine()
{
	printf 'Linux %s, %s CPUs, %s\n' "$(uname -r)" \
		"$(getconf _NPROCESSORS_ONLN)" \
		"$(getconf GNU_LIBC_VERSION 2>/dev/null || echo 'another libc')"
}

# allocator_of COMMAND: a library that it is linked with, if we know its name.
allocator_of()
{
	ldd "$(command -v "$1")" 2>/dev/null |
		grep -oE 'lib(jemalloc|tcmalloc|mimalloc)' | head -n 1
}

setup()
{
	sh "$ROOT/test/install.sh" redis-server:redis-server \
		redis-benchmark:redis-tools "$PYTHON:python3" gcc:gcc \
		/usr/include/stdio.h:libc6-dev awk:mawk || exit 1
	[ -x "$LAUNCHER" ] || fail "there is no $LAUNCHER; type make first"
	TMP=$(mktemp -d "${TMPDIR:-/tmp}/pcm-demo.XXXXXX")
	trap cleanup EXIT
	trap 'exit 1' HUP INT TERM
	export PYTHONPYCACHEPREFIX="$TMP/pycache"
	# Small and static: a child's peak memory starts at its parent's.
	for static in -static ''; do
		# shellcheck disable=SC2086 # one word or none
		if gcc -O2 -D_GNU_SOURCE $static -o "$TMP/child" \
			"$ROOT/bench/measure/child.c" 2>"$TMP/err"; then
			break
		fi
	done
	[ -x "$TMP/child" ] || fail "gcc failed: $(cat "$TMP/err")"
	awk -v functions=120 -v seed=1 -f "$ROOT/test/programs/gen_c.awk" \
		>"$TMP/big.c"
	# Fill the page cache and Python's cache of compiled modules.
	"$PYTHON" "$ROOT/bench/demo/index.py" 5000000 >/dev/null
}

setup
machine
if redis_wants_jemalloc; then
	WITH_REDIS=0
	echo "redis-server is left out: it calls mallocx, which is jemalloc's own."
fi
printf 'running real programs without and with pcmalloc: '
all_rounds
printf '\nMedians of %d rounds, in turns:\n\n' \
	"$(grep -c '^gcc with ' "$TMP/samples")"
table
modes=$(sort -u "$TMP/modes" | paste -sd ';' -)
printf '\npcmalloc ran in mode: %s\n' "$modes"
their=
if [ "$WITH_REDIS" = 1 ]; then
	their=$(allocator_of redis-server)
fi
echo "Without pcmalloc: libc's malloc${their:+; redis-server: its own, $their}."
echo "Try your own program: build/pcmalloc PROGRAM ARGUMENTS..."
