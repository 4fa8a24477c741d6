#!/bin/sh
# Packs what a virtual machine runs:  make_initramfs.sh BUILD FILE
#
# busybox, the test programs, the library in several builds, and the shared
# libraries of this machine that the programs need, as a compressed cpio
# archive, which the kernel unpacks into its first root directory.
set -eu

build=$1
file=$2
here=$(dirname "$0")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

mkdir -p "$tree/bin" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/tmp" \
	"$tree/pcm/table_16" "$tree/pcm/table_64"

busybox=$(command -v busybox)
if ldd "$busybox" >/dev/null 2>&1; then
	echo "$busybox is not static; install busybox-static" >&2
	exit 1
fi
cp "$busybox" "$tree/bin/busybox"
cp "$here/vm_init.sh" "$tree/init"
cp "$here/vm_tests.sh" "$tree/pcm/tests"
chmod 755 "$tree/init"

cp -L "$build/libpcmalloc.so" "$tree/pcm/"
for n in 16 64; do
	cp -L "$build/table_$n/libpcmalloc.so" "$tree/pcm/table_$n/"
done
cp "$build/test/vm/vm_patience.so" "$tree/pcm/"
for program in $PCM_VM_PROGRAMS; do
	cp "$build/test/$program" "$tree/pcm/"
	for library in $(ldd "$build/test/$program" | grep -o '/[^ ]*'); do
		mkdir -p "$tree/$(dirname "$library")"
		cp -L "$library" "$tree/$library"
	done
done
# pthread_cancel() loads it; beside the others, where it is looked for.
libc=$(find "$tree" -name libc.so.6 | head -n 1)
cp -L "$PCM_VM_LIBGCC" "$(dirname "$libc")/"
find "$tree/pcm" -type f ! -name tests -exec strip --strip-debug {} +
(cd "$tree" && find . | cpio -o -H newc --quiet) | gzip -1 >"$file.part"
mv "$file.part" "$file"
