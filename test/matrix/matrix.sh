#!/bin/sh
# The matrix: pcmalloc on every libc, under every sandbox and every valgrind
# tool that is here, each cell with all stress programs and with the mode that
# the library itself reports.
#
#	PCM_BUILD=BUILD sh test/matrix/matrix.sh
#
# `make check-matrix` builds and calls it. The table goes to fd 1 and to
# BUILD/matrix/matrix.csv. PCM_MATRIX_ONLY is a shell pattern for the names of
# cells, PCM_STRESS_SECONDS the length of a stress (1).
# shellcheck source-path=SCRIPTDIR
set -u

: "${PCM_BUILD:?}"
here=$(dirname "$0")
. "$here/matrix_lib.sh"
. "$here/matrix_build.sh"

matrix=$PCM_BUILD/matrix
logs=$matrix/logs
csv=$matrix/matrix.csv
seconds=${PCM_STRESS_SECONDS:-1}
kernel=$(uname -r | sed 's/[^0-9.].*//')
musl_loader=/lib/ld-musl-$(uname -m).so.1
musl_version=$("$musl_loader" 2>&1 | sed -n 's/^Version //p')

if [ "$(id -u)" != 0 ]; then
	echo "check-matrix needs root: it makes and enters root directories"
	exit 1
fi
mkdir -p "$logs" "$matrix/programs"
rm -f "$csv"
row cell libc kernel mode "threads armed" "armed again" refused passed \
	programs result
defaults

# Linux 6.3 brought mm_cid.
best=cpu_id
if [ "$(printf '%s\n' 6.3 "$kernel" | sort -V | head -n 1)" = 6.3 ]; then
	best=mm_cid
fi
off="fallback, rseq switched off"
no_rseq="fallback, no rseq in the kernel"
denied="fallback, rseq denied"

# Cells that are alike everywhere: what PCMALLOC_CONF asks for. at() sets the
# place, $1 is its name and $2 whose the registration is.
cells_of_configurations() {
	at; cell "$1" "per-CPU, $2 registration, $best"
	at; conf=index:mm_cid
	cell "$1, index:mm_cid" "per-CPU, $2 registration, $best"
	at; conf=index:cpu_id
	cell "$1, index:cpu_id" "per-CPU, $2 registration, cpu_id"
	at; conf=rseq:off
	cell "$1, rseq:off" "$off"
	at; conf=fence:off
	cell "$1, fence:off" "per-CPU, $2 registration, $best"
}

# libc is told not to register. $1 is the place's name.
cells_of_tunable() {
	at; settings=$tunable_off
	cell "$1, tunable off" "per-CPU, own registration, $best"
	at; settings=$tunable_off conf=index:cpu_id
	cell "$1, tunable off, index:cpu_id" \
		"per-CPU, own registration, cpu_id"
}

# Sandboxes from the start. Where rseq kills, libc must not try it either.
cells_of_sandboxes() {
	at; launch="$deny rseq=ENOSYS" refused=yes
	cell "$1, rseq ENOSYS" "$no_rseq"
	at; launch="$deny rseq=EPERM" refused=yes
	cell "$1, rseq EPERM" "$denied"
	at; launch="$deny rseq=KILL" settings=$tunable_off conf=rseq:off
	cell "$1, rseq kills, rseq:off" "$off"
	at; launch="$deny membarrier=ENOSYS"
	cell "$1, membarrier ENOSYS" "per-CPU, $2 registration, $best"
	at; launch="$deny membarrier=EPERM"
	cell "$1, membarrier EPERM" "per-CPU, $2 registration, $best"
	# musl's own pthread_create() calls it in a dynamic program.
	[ "$1" != "musl, preloaded" ] || return 0
	name="$1, membarrier kills, fence:off"
	at; launch="$deny membarrier=KILL" conf=fence:off
	if libc_dies; then
		not_a_cell "$name" skipped "libc itself calls it"
	else
		cell "$name" "per-CPU, $2 registration, $best"
	fi
}

# libc_dies: does a program of this cell end even without pcmalloc? musl calls
# membarrier(2) when the first thread starts in a dynamic program.
libc_dies() {
	[ -z "$where" ] && [ -n "$preload" ] || return
	status=0
	# shellcheck disable=SC2086 # list of words
	(exec $launch "$programs/small_work") >/dev/null 2>&1 || status=$?
	[ $status -eq 159 ] # SIGSYS
}

# in_midrun RULES: a filter falls a second after the start of each program.
in_midrun() {
	at
	preload="$preload $programs/deny_late.so"
	settings="PCM_DENY=$1 PCM_DENY_AFTER=1000 PCM_STRESS_SECONDS=2"
	late=yes
	only="cell_identity stress_pattern stress_migrate stress_twice
		stress_signal stress_churn stress_fork stress_trim"
}

# Sandboxes in mid-run. glibc ends a process that starts a thread after rseq was
# denied; so where the answer is an error the registration is pcmalloc's own,
# and where it kills no thread starts later.
cells_of_late_sandboxes() {
	in_midrun rseq=ENOSYS
	settings="$settings PCM_STRESS_ANY=1 $tunable_off" refused=yes
	cell "$1, rseq ENOSYS in mid-run" "per-CPU, own registration, $best"
	in_midrun rseq=EPERM
	settings="$settings PCM_STRESS_ANY=1 $tunable_off" refused=yes
	cell "$1, rseq EPERM in mid-run" "per-CPU, own registration, $best"
	in_midrun rseq=KILL
	only="cell_identity stress_migrate stress_signal stress_trim"
	cell "$1, rseq kills in mid-run" "per-CPU, $2 registration, $best"
	in_midrun membarrier=ENOSYS
	cell "$1, membarrier ENOSYS in mid-run" \
		"per-CPU, $2 registration, $best"
	in_midrun membarrier=EPERM
	cell "$1, membarrier EPERM in mid-run" \
		"per-CPU, $2 registration, $best"
	in_midrun membarrier=KILL; conf=fence:off
	cell "$1, membarrier kills in mid-run, fence:off" \
		"per-CPU, $2 registration, $best"
}

tunable_off=GLIBC_TUNABLES=glibc.pthread.rseq=0

# Debian's releases: one binary of the library, built here, in all of them.
at() {
	where=$root programs=/pcm/programs
	preload=/pcm/libpcmalloc.so.0
	only=$glibc_programs
	deny=$programs/deny_calls
}

debian() {
	root=$matrix/roots/$2
	if ! into_root "$2"; then
		not_a_cell "$1" failed "could not be prepared"
		return
	fi
	cells_of_configurations "$1" "$3"
	[ "$3" = own ] || cells_of_tunable "$1"
	cells_of_sandboxes "$1" "$3"
	cells_of_late_sandboxes "$1" "$3"
}

# The library built by a release's own compiler, and the interface's tests.
built_there() {
	root=$matrix/roots/$2
	name="$1, built there by $(chroot "$root" gcc -dumpfullversion |
		sed 's/^/gcc /')"
	if ! wanted "$name"; then
		return
	fi
	if ! build_in_root "$2"; then
		not_a_cell "$name" failed "does not build"
		return
	fi
	at; preload=/pcm/source/build/libpcmalloc.so.0
	cell "$name" "per-CPU, $3 registration, $best"
	if tests=$(interface_tests_in_root "$2"); then
		not_a_cell "$name, interface tests" passed "$tests" \
			"$last_libc"
	else
		not_a_cell "$name, interface tests" failed "$tests" \
			"$last_libc"
	fi
}

# Libcs of this machine.
at_static() {
	programs=$matrix/programs/static preload=''
}

at_static_musl() {
	programs=$matrix/programs/static_musl preload=''
}

at_musl() {
	programs=$matrix/programs/musl preload=$matrix/musl/libpcmalloc.so.0
}

cells_of_musl() {
	cells_of_configurations "$1" own
	cells_of_sandboxes "$1" own
}

others() {
	deny=$matrix/programs/glibc/deny_calls
	at() { at_static; }
	cells_of_configurations "static glibc" "glibc's"
	cells_of_tunable "static glibc"
	cells_of_sandboxes "static glibc" "glibc's"
	at() { at_static_musl; }
	cells_of_musl "static musl"
	at() { at_musl; }
	cells_of_musl "musl, preloaded"
}

oldest_programs || exit 1
programs_here || exit 1
debian "Debian 11" bullseye own
debian "Debian 12" bookworm "glibc's"
debian "Debian 13" trixie "glibc's"
built_there "Debian 11" bullseye own
built_there "Debian 13" trixie "glibc's"
others
. "$here/matrix_valgrind.sh"
. "$here/matrix_qemu.sh"

table
echo "$npassed cells passed, $nfailed failed, $nskipped skipped"
[ $nfailed -eq 0 ] && [ $npassed -gt 0 ]
