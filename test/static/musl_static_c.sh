#!/bin/sh
# A C program linked statically with musl and a libpcmalloc.a that was built for
# it, which this test does.
set -eu
: "${PCM_ROOT:?}" "${PCM_BUILD:?}"

if ! command -v musl-gcc >/dev/null; then
	echo "no musl-gcc (musl-tools)"
	exit 77
fi

cd "$PCM_ROOT"
build=${PCM_BUILD#"$PCM_ROOT"/}/musl
# Nothing of the make that may have started this test.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
make -s B="$build" CC=musl-gcc "$build/libpcmalloc.a" >/dev/null
test/static/static_link.sh musl-gcc test/static/whole_program.c \
	"$build/libpcmalloc.a" -static
