#!/bin/sh
# Runs a test program in one configuration of pcmalloc:
#
#   in_conf.sh [-p] CONF PROGRAM ARGS...
#
# CONF becomes PCMALLOC_CONF. With -p the library is preloaded; otherwise the
# program is linked against it.

set -eu

preload=no
if [ "$1" = -p ]; then
	preload=yes
	shift
fi
PCMALLOC_CONF=$1
export PCMALLOC_CONF
shift
if [ "$preload" = yes ]; then
	LD_PRELOAD=${PCM_SO:-$PWD/build/libpcmalloc.so}
	export LD_PRELOAD
fi
exec "$@"
