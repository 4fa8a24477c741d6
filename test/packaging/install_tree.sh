#!/bin/sh
# make install into an empty tree; a program built through pkg-config runs on
# what was installed, the installed launcher runs a program, the manual pages are
# well-formed; make uninstall leaves no file behind.
set -eu

cd "$PCM_ROOT"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
build=$tree/build
prefix=$tree/usr

fail() {
	echo "$*"
	exit 1
}

# A tree of its own: the launcher has its library's directory compiled in.
make -s B="$build" PREFIX="$prefix" install >"$tree/log" 2>&1 || {
	cat "$tree/log"
	fail "make install failed"
}

for file in lib/libpcmalloc.so lib/libpcmalloc.so.0 lib/libpcmalloc.a \
	lib/pkgconfig/pcmalloc.pc include/pcmalloc/pcmalloc.h bin/pcmalloc \
	share/man/man1/pcmalloc.1 share/man/man3/pcmalloc.3; do
	[ -e "$prefix/$file" ] || fail "not installed: $file"
done

# Again from the same build, to be packaged for another place.
make -s B="$build" PREFIX="/opt/a b" DESTDIR="$tree/dest" install \
	>"$tree/log" 2>&1 || {
	cat "$tree/log"
	fail "make install failed with DESTDIR"
}
other=$tree/dest/opt/a\ b
grep -q '^prefix=/opt/a b$' "$other/lib/pkgconfig/pcmalloc.pc" ||
	fail "pcmalloc.pc is not of the second PREFIX"
make -s B="$build" PREFIX="/opt/a b" DESTDIR="$tree/dest" uninstall >/dev/null
left=$(find "$other" ! -type d)
[ -z "$left" ] || fail "left behind: $left"

cat >"$tree/user.c" <<'EOF'
#include <pcmalloc/pcmalloc.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(100);

	puts(pcm_version());
	free(p);
	return 0;
}
EOF
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # several words are wanted
cc -o "$tree/user" "$tree/user.c" $(pkg-config --cflags --libs pcmalloc)
version=$(LD_LIBRARY_PATH=$prefix/lib "$tree/user")
[ "$version" = "$(pkg-config --modversion pcmalloc)" ] ||
	fail "version $version, pkg-config says otherwise"

# The installed launcher, with the build tree gone.
rm -rf "$build"
[ "$("$prefix/bin/pcmalloc" --library)" = "$prefix/lib/libpcmalloc.so.0" ] ||
	fail "the launcher does not find the installed library"
PCMALLOC_CONF=stats:exit "$prefix/bin/pcmalloc" ls / 2>&1 |
	grep -q '^pcmalloc: mode: ' || fail "ls did not run on pcmalloc"

if command -v man >/dev/null 2>&1; then
	for page in "$prefix"/share/man/man*/pcmalloc.*; do
		warnings=$(man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)
		[ -z "$warnings" ] || fail "$page: $warnings"
	done
fi

make -s B="$build" PREFIX="$prefix" uninstall >/dev/null
left=$(find "$prefix" ! -type d)
[ -z "$left" ] || fail "left behind: $left"
