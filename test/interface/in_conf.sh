#!/bin/sh
# Runs a test program in one configuration of pcmalloc:
#
#   in_conf.sh [-p] [-o] CONF PROGRAM ARGS...
#
# CONF becomes PCMALLOC_CONF. With -p the library is preloaded; otherwise the
# program is linked against it. With -o libc is told not to register rseq, so
# that the registration is pcmalloc's own.

set -eu

preload=no
while :; do
	case $1 in
	-p) preload=yes ;;
	-o)
		GLIBC_TUNABLES=glibc.pthread.rseq=0
		export GLIBC_TUNABLES
		;;
	*) break ;;
	esac
	shift
done
PCMALLOC_CONF=$1
export PCMALLOC_CONF
shift
if [ "$preload" = yes ]; then
	LD_PRELOAD=${PCM_SO:-$PWD/build/libpcmalloc.so}
	export LD_PRELOAD
fi
exec "$@"
