#!/bin/sh
# A set-user-id program ignores PCMALLOC_CONF: neither its mode nor its output
# may be chosen by who starts it. Needs root, to make one, and a way to become
# somebody else.

set -u
: "${PCM_BUILD:?}"

program=$PCM_BUILD/test/process/secure_mode
conf=rseq:off,stats:exit,foo:1

skip() {
	echo "$*"
	exit 77
}

[ "$(id -u)" = 0 ] || skip "needs root to make a set-user-id program"
command -v setpriv >/dev/null || skip "no setpriv"

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
cp "$program" "$scratch/plain" && cp "$program" "$scratch/setuid" || exit 1
chown root:root "$scratch/plain" "$scratch/setuid"
chmod 755 "$scratch/plain"
chmod 4755 "$scratch/setuid"

# as_nobody PROGRAM: prints its output and, marked, what it says on fd 2.
as_nobody() {
	PCMALLOC_CONF=$conf setpriv --reuid 65534 --regid 65534 \
		--clear-groups "$1" 2>"$scratch/err" || echo "exit status $?"
	sed 's/^/stderr: /' "$scratch/err"
}

fail() {
	echo "$1:"
	echo "$2"
	exit 1
}

# Without the bit the configuration counts: else this test shows nothing.
plain=$(as_nobody "$scratch/plain")
case $plain in
"secure=0 mode=fallback, rseq switched off
"*"stderr: pcmalloc: PCMALLOC_CONF: unknown key 'foo'"*"pcmalloc: mode: "*) ;;
*) fail "not set-user-id, but the configuration does not count" "$plain" ;;
esac

setuid=$(as_nobody "$scratch/setuid")
case $setuid in
secure=0*) skip "set-user-id does not work in $scratch (nosuid?)" ;;
esac

# What it does when nothing at all is configured.
default=$(setpriv --reuid 65534 --regid 65534 --clear-groups \
	env -u PCMALLOC_CONF "$scratch/setuid")
[ "$setuid" = "$default" ] ||
	fail "set-user-id, and the configuration counts" "$setuid"
case $setuid in
"secure=1 mode="*"
"*) fail "set-user-id, and something is said" "$setuid" ;;
"secure=1 mode=fallback, rseq switched off") fail "rseq is off" "$setuid" ;;
"secure=1 mode="?*) ;;
*) fail "set-user-id: unexpected output" "$setuid" ;;
esac
