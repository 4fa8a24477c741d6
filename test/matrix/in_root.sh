#!/bin/sh
# Runs a command in another root directory, with its own /proc, the host's /dev,
# and process and mount namespaces that end with it:
#
#	in_root.sh ROOT COMMAND ARGS...
#
# The shell stays as process 1 there, which no signal of its own can end.
set -eu

root=$1
shift
# shellcheck disable=SC2016 # for the inner shell
exec unshare --mount --pid --fork --kill-child sh -c '
	mount -t proc proc "$0/proc" &&
		mount --rbind /dev "$0/dev" || exit 125
	chroot "$0" "$@"
	exit $?' "$root" "$@"
