#!/bin/sh
# The three modes of transparent hugepages, always, madvise and never: programs
# work, a trivial program stays small, a large one gets hugepages for little more
# memory, and PCMALLOC_CONF=thp: is obeyed. The
# modes are the machine's: needs root; it restores the mode that was set.
# PR_SET_THP_DISABLE is tested in any case.

set -u
: "${PCM_BUILD:?}" "${PCM_SO:?}"

program=$PCM_BUILD/test/process/small_work
mode_file=/sys/kernel/mm/transparent_hugepage/enabled
# KiB that a trivial program may hold above what it holds on libc's malloc.
above_max=717
status=0

fail() {
	echo "$*"
	status=1
}

on_pcmalloc() {
	LD_PRELOAD=$PCM_SO "$program" "$@"
}

for conf in thp:auto thp:always thp:never; do
	PCMALLOC_CONF=$conf on_pcmalloc nothp ||
		fail "PR_SET_THP_DISABLE: $conf"
done

before=
[ -w "$mode_file" ] && before=$(sed 's/.*\[\(.*\)\].*/\1/' "$mode_file")
if [ -z "$before" ] || ! echo "$before" 2>/dev/null >"$mode_file"; then
	[ $status = 0 ] || exit $status
	echo "the modes of $mode_file need root; PR_SET_THP_DISABLE passed"
	exit 77
fi
trap 'echo "$before" >"$mode_file"' EXIT
trap 'exit 1' HUP INT TERM

for mode in always madvise never; do
	echo "$mode" >"$mode_file" || fail "cannot set $mode"

	set -- $("$program" resident)
	without=$1
	for conf in "" thp:always thp:never; do
		PCMALLOC_CONF=$conf
		export PCMALLOC_CONF
		on_pcmalloc || fail "$mode, '$conf': does not work"
		set -- $(on_pcmalloc resident)
		echo "$mode, '$conf': trivial $1 KiB, $without KiB on libc"
		[ "$1" -le $((without + above_max)) ] ||
			[ "$conf" = thp:always ] ||
			fail "$mode, '$conf': $1 KiB resident, $without on libc"
		set -- $(on_pcmalloc large)
		echo "$mode, '$conf': of 64 MiB, $2 KiB in hugepages"
		case $mode,$conf in
		never,* | *,thp:never) [ "$2" -eq 0 ] ||
			fail "$mode, '$conf': $2 KiB in hugepages" ;;
		*,thp:always) [ "$2" -ge 16384 ] ||
			fail "$mode, '$conf': $2 KiB in hugepages" ;;
		esac
	done
	# A large heap: huge pages where the system has any, and little more
	# memory for them.
	PCMALLOC_CONF=thp:never
	set -- $(on_pcmalloc blocks)
	never=$1
	PCMALLOC_CONF=thp:auto
	wanted=32768
	[ $mode = never ] && wanted=0
	set -- $(on_pcmalloc blocks $wanted)
	echo "$mode: 128 MiB of blocks: $1 KiB, $2 in hugepages; $never without"
	[ "$1" -le $((never + never / 20)) ] ||
		fail "$mode: $1 KiB resident with thp:auto, $never with thp:never"
	case $mode in
	never) [ "$2" -eq 0 ] || fail "$mode: $2 KiB in hugepages" ;;
	*) [ "$2" -ge $wanted ] || fail "$mode: only $2 KiB in hugepages" ;;
	esac
	unset PCMALLOC_CONF
done
exit $status
