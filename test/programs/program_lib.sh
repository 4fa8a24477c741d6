# shellcheck shell=sh
# Shared by the scripts of this directory, each of which starts one real
# program on pcmalloc and compares its output with that of the same run
# without pcmalloc.  A script is:
#
#	. "$(dirname "$0")/program_lib.sh"
#	need redis-server		# else skip, and say so
#	prepare() { ... }		# optional: writes inputs to $INPUT
#	work() { ... }			# the workload
#	compare
#
# work runs once without pcmalloc and once per configuration in $CONFS, every
# time in an empty current directory of the same name, under set -e.  Its
# standard output and all that it leaves in ./out must be the same bytes each
# time.  In work:
#
#	run CMD ARGS...		runs CMD on the allocator of this pass
#	start CMD ARGS...	the same in the background; $! is its pid
#	stop PID		waits for such a process to end, kills it else
#	prove CMD ARGS...	runs CMD and checks that it ran on pcmalloc, in
#				the mode asked for; each pass must do it once
#	prove_pid PID		checks that a running process has it mapped
#	prove_waiting CMD...	the same for CMD while it waits for its input: for
#				programs that close fd 2 before they end, so that
#				pcmalloc cannot report its mode
#	size SHORT FULL		prints one of the two
#	await SECONDS CMD...	repeats CMD until it succeeds
#
# The caller sets the time limit, as test/run.sh does.
#
# Environment: PCM_SO is the library (default: build/libpcmalloc.so);
# PCM_PROGRAMS_FULL=1 asks for the long version; PCM_PROGRAMS_KEEP=1 keeps the
# directory; PCM_PROGRAMS_STANDIN=1 leaves out the proofs, so that the scripts
# can be tried with another allocator as PCM_SO.

set -eu

PROGRAM=${0##*/}
PROGRAM=${PROGRAM%.sh}
HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=${PCM_ROOT:-$(cd "$HERE/../.." && pwd)}
PCM_SO=${PCM_SO:-$ROOT/build/libpcmalloc.so}
FULL=${PCM_PROGRAMS_FULL:-0}
STANDIN=${PCM_PROGRAMS_STANDIN:-0}
CONFS="index:mm_cid index:cpu_id rseq:off"

unset LD_PRELOAD PCMALLOC_CONF MAKEFLAGS MFLAGS
export LC_ALL=C TZ=UTC

exec 3>&1
TMP=
INPUT=
PASS=
CONF=
MODES=

say()
{
	printf '%s: %s\n' "$PROGRAM" "$*"
}

# In a workload this ends the pass; one_pass knows the status.
fail()
{
	say "FAIL: $*" >&3
	exit 99
}

# The long version is for machines where everything has been installed.
skip()
{
	if [ "$FULL" = 1 ]; then
		fail "$*"
	fi
	say "skipped: $*"
	exit 77
}

need()
{
	for command in "$@"; do
		if ! command -v "$command" >/dev/null 2>&1; then
			skip "this machine has no $command"
		fi
	done
}

size()
{
	if [ "$FULL" = 1 ]; then
		echo "$2"
	else
		echo "$1"
	fi
}

cleanup()
{
	if [ -z "$TMP" ]; then
		return
	fi
	while read -r pid; do
		kill -9 "$pid" 2>/dev/null || :
	done <"$TMP/pids"
	if [ "${PCM_PROGRAMS_KEEP:-0}" = 1 ]; then
		say "kept $TMP"
	else
		rm -rf "$TMP"
	fi
}

interrupted()
{
	trap - HUP INT TERM
	say "FAIL: stopped by a signal or the time limit, in pass '$PASS'" >&3
	exit 1
}

# on_allocator CONF CMD ARGS...: replace this process by CMD on pcmalloc, or
# as it is in the pass without.
on_allocator()
{
	conf=$1
	shift
	if [ "$PASS" = plain ]; then
		exec "$@" 3>&-
	fi
	exec env LD_PRELOAD="$PCM_SO" PCMALLOC_CONF="$conf" "$@" 3>&-
}

run()
{
	(on_allocator "$CONF" "$@")
}

start()
{
	# The shell gives a job in the background /dev/null to read.
	{ (on_allocator "$CONF" "$@") <&8 8<&- & } 8<&0
	echo $! >>"$TMP/pids"
}

await()
{
	deadline=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$(date +%s)" -gt "$deadline" ]; then
			fail "pass '$PASS': waited in vain for: $*"
		fi
		sleep 0.05
	done
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

# The caller has told the process to end.  Its exit status counts.
stop()
{
	await 30 gone "$1"
	wait "$1" || fail "pass '$PASS': process ended with status $?"
	grep -vx "$1" "$TMP/pids" >"$TMP/pids.new" || :
	mv "$TMP/pids.new" "$TMP/pids"
}

# mode_fits CONF MODE: may a process given CONF report MODE?  A machine without
# rseq, or without mm_cid (before Linux 6.3), answers with the next best.
mode_fits()
{
	case "$1 $2" in
	"rseq:off fallback, rseq switched off"*) return 0 ;;
	"rseq:off "*) return 1 ;;
	*" fallback, rseq switched off"*) return 1 ;;
	"index:cpu_id per-CPU, "*", cpu_id") return 0 ;;
	"index:mm_cid per-CPU, "*", mm_cid") return 0 ;;
	"index:mm_cid per-CPU, "*", cpu_id") ! has_mm_cid ;;
	*" fallback, "*) return 0 ;;
	*) return 1 ;;
	esac
}

has_mm_cid()
{
	release=$(uname -r)
	major=${release%%.*}
	rest=${release#*.}
	minor=${rest%%[!0-9]*}
	[ "$major" -gt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -ge 3 ]; }
}

prove()
{
	if [ "$PASS" = plain ] || [ "$STANDIN" = 1 ]; then
		return
	fi
	(on_allocator "$CONF,stats:exit" "$@") >/dev/null 2>"$TMP/proof" ||
		fail "pass '$PASS': $1 failed: $(tail -n 3 "$TMP/proof")"
	sed -n 's/^pcmalloc: mode: //p' "$TMP/proof" | sort -u >"$TMP/modes"
	if [ ! -s "$TMP/modes" ]; then
		fail "pass '$PASS': $1 did not run on pcmalloc"
	fi
	while read -r mode; do
		mode_fits "$CONF" "$mode" ||
			fail "pass '$PASS': $1 ran in mode '$mode'"
		printf '%s\n' "$mode" >>"$TMP/proved"
	done <"$TMP/modes"
}

# mapped PID: does the process run on the library?
mapped()
{
	grep -qF "$(basename "$(readlink -f "$PCM_SO")")" "/proc/$1/maps"
}

prove_pid()
{
	if [ "$PASS" != plain ]; then
		mapped "$1" || fail "pass '$PASS': $1 does not run on pcmalloc"
		echo "mapped" >>"$TMP/proved"
	fi
}

prove_waiting()
{
	if [ "$PASS" = plain ]; then
		return
	fi
	rm -f "$TMP/fifo"
	mkfifo "$TMP/fifo"
	exec 9<>"$TMP/fifo"
	start "$@" <"$TMP/fifo" >/dev/null 2>&1 9>&-
	await 10 mapped $!
	echo "mapped" >>"$TMP/proved"
	exec 9>&-
	stop $!
}

# one_pass NAME CONF: do the work in $TMP/work, then rename that to $TMP/NAME.
one_pass()
{
	PASS=$1
	CONF=$2
	: >"$TMP/proved"
	mkdir -p "$TMP/work/out"
	set +e
	(
		set -e
		trap - EXIT HUP INT TERM
		cd "$TMP/work"
		HOME=$PWD
		export HOME
		work
	) >"$TMP/work/out/stdout" 2>"$TMP/work/stderr" </dev/null
	status=$?
	set -e
	mv "$TMP/work" "$TMP/$PASS"
	if [ "$status" = 99 ]; then
		exit 1
	elif [ "$status" != 0 ]; then
		tail -n 20 "$TMP/$PASS/out/stdout" "$TMP/$PASS/stderr" >&3
		fail "pass '$PASS': the workload failed, status $status"
	fi
}

# What pcmalloc or ld.so say where there is nothing to be said.
check_stderr()
{
	if grep -E '^pcmalloc:|ld\.so: object' "$TMP/$PASS/stderr" >&3; then
		fail "pass '$PASS': unexpected diagnostics"
	fi
}

check_proved()
{
	if [ "$STANDIN" = 1 ]; then
		return
	fi
	if [ ! -s "$TMP/proved" ]; then
		fail "pass '$PASS': nothing proves that it ran on pcmalloc"
	fi
	MODES="$MODES; $CONF = $(sort -u "$TMP/proved" | paste -sd / -)"
}

check_output()
{
	if ! diff -r "$TMP/plain/out" "$TMP/$PASS/out" >"$TMP/diff" 2>&1; then
		head -n 20 "$TMP/diff" | cut -c 1-200 >&3
		fail "pass '$PASS': output differs from the run without pcmalloc"
	fi
}

prepare()
{
	:
}

compare()
{
	if [ ! -e "$PCM_SO" ]; then
		fail "there is no $PCM_SO; type make first"
	fi
	TMP=$(mktemp -d "${TMPDIR:-/tmp}/pcm-$PROGRAM.XXXXXX")
	INPUT=$TMP/input
	mkdir "$INPUT"
	: >"$TMP/pids"
	trap cleanup EXIT
	trap interrupted HUP INT TERM
	prepare
	one_pass plain ""
	for conf in $CONFS; do
		one_pass "$conf" "$conf"
		check_stderr
		check_output
		check_proved
	done
	say "ok${MODES:+ (${MODES#; })}"
}

# text LINES: deterministic prose-like text, words of a skewed distribution.
text()
{
	awk -v lines="$1" '
	function next_random() {
		seed = (seed * 16807) % 2147483647
		return seed
	}
	BEGIN {
		seed = 20240229
		for (i = 0; i < 4000; i++) {
			word = ""
			for (j = next_random() % 9 + 2; j > 0; j--)
				word = word sprintf("%c", 97 + next_random() % 26)
			words[i] = word
		}
		for (i = 0; i < lines; i++) {
			line = words[next_random() % 4000]
			for (j = next_random() % 12 + 4; j > 0; j--) {
				n = next_random() % 4000
				line = line " " words[int(n * n / 4000)]
			}
			print line
		}
	}'
}
