#!/bin/sh
# memcached: four threads serve eight clients at a time; each client writes its
# own keys and all of them one shared set, then everything is read back.
. "$(dirname "$0")/program_lib.sh"
need memcached perl

listening()
{
	perl "$HERE/memcached.pl" ping memcached.sock
}

work()
{
	prove memcached --version
	user=
	if [ "$(id -u)" = 0 ]; then
		user="-u root"
	fi
	# shellcheck disable=SC2086 # two words or none
	start memcached -s memcached.sock -a 600 -t 4 -m 1024 -M -c 200 $user
	server=$!
	await 20 listening
	prove_pid "$server"
	perl "$HERE/memcached.pl" load memcached.sock "$(size 1500 10000)"
	kill -TERM "$server"
	stop "$server"
}

compare
