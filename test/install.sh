#!/bin/sh
# Installs what the other targets need:  sh test/install.sh WHAT:PACKAGE ...
#
# WHAT is a command, or, if it holds a slash, a file (a shell pattern will do:
# '/usr/lib/*/libjemalloc.so.2:libjemalloc2').  Packages whose WHAT is there
# already are left alone, so with nothing missing this is silent and needs no
# network.  Root on a Debian gets the rest by apt-get; everybody else gets one
# line that names the packages.  Exit status: 0 all is there, 1 something is
# missing, 2 usage.
set -eu

policy=/usr/sbin/policy-rc.d
made_policy=0
log=

# present WHAT: is the command, or a file that matches the pattern, there?
present()
{
	case $1 in
	*/*)
		# shellcheck disable=SC2086 # the pattern is to be expanded
		set -- $1
		test -e "$1"
		;;
	*)
		command -v "$1" >/dev/null 2>&1
		;;
	esac
}

# missing WHAT:PACKAGE ...: print the packages to install, each once.
missing()
{
	list=
	for pair in "$@"; do
		if present "${pair%:*}"; then
			continue
		fi
		case " $list " in
		*" ${pair##*:} "*) ;;
		*) list="$list ${pair##*:}" ;;
		esac
	done
	printf '%s\n' "${list# }"
}

cleanup()
{
	if [ "$made_policy" = 1 ]; then
		rm -f "$policy"
	fi
	rm -f "$log"
}

# A server that is installed for a test must not be started for good.
forbid_daemons()
{
	if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
		made_policy=1
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
}

apt()
{
	DEBIAN_FRONTEND=noninteractive apt-get -y -q \
		-o DPkg::Lock::Timeout=120 \
		-o Dpkg::Options::=--force-confold \
		-o APT::Install-Recommends=false "$@" >>"$log" 2>&1 </dev/null
}

install_with_apt()
{
	log=$(mktemp)
	trap cleanup EXIT
	trap 'exit 1' HUP INT TERM
	forbid_daemons
	printf 'installing: %s\n' "$*"
	# An update that fails in part (a dead mirror among others) may do.
	apt update || :
	if ! apt install "$@"; then
		tail -n 20 "$log" >&2
		return 1
	fi
}

if [ $# -eq 0 ]; then
	echo "usage: sh test/install.sh COMMAND-OR-FILE:PACKAGE ..." >&2
	exit 2
fi
for pair in "$@"; do
	case $pair in
	?*:?*) ;;
	*)
		echo "install.sh: '$pair' is not WHAT:PACKAGE" >&2
		exit 2
		;;
	esac
done

packages=$(missing "$@")
if [ -z "$packages" ]; then
	exit 0
fi
if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] &&
	command -v apt-get >/dev/null 2>&1; then
	# shellcheck disable=SC2086 # one word a package
	install_with_apt $packages || :
	packages=$(missing "$@")
fi
if [ -n "$packages" ]; then
	printf 'missing: install with: apt-get install %s\n' "$packages"
	exit 1
fi
