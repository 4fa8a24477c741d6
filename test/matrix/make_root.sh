#!/bin/sh
# Makes the root directory of a Debian release, once:
#
#	make_root.sh SUITE DIRECTORY [PACKAGES...]
#
# Beside it stays DIRECTORY.packages, the list of what is in it. A root that was
# not finished is made again.
set -eu

suite=$1 root=$2
shift 2
here=$(dirname "$0")
mirror=${PCM_MATRIX_MIRROR:-http://deb.debian.org/debian}

[ ! -s "$root.packages" ] || exit 0

rm -rf "$root"
mkdir -p "$(dirname "$root")"
echo "making a root of Debian $suite"
debootstrap --variant=minbase "$suite" "$root" "$mirror" \
	>"$root.log" 2>&1 || {
	tail -n 5 "$root.log"
	rm -rf "$root"
	exit 1
}
if [ $# -gt 0 ]; then
	"$here/in_root.sh" "$root" env DEBIAN_FRONTEND=noninteractive \
		apt-get -y -q --no-install-recommends install "$@" \
		</dev/null >>"$root.log" 2>&1 || {
		tail -n 5 "$root.log"
		exit 1
	}
fi
# shellcheck disable=SC2016 # dpkg's own variables
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' >"$root.new"
mv "$root.new" "$root.packages"
