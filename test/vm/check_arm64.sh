#!/bin/sh
# pcmalloc on a real arm64 kernel, Debian 12's, translated by qemu with 4 CPUs:
#
#	PCM_BUILD=BUILD sh test/vm/check_arm64.sh
#
# `make check-arm64` builds and calls it. What qemu's user mode (`make check-matrix`)
# cannot show: a kernel that maps from 2^48 downwards, and several CPUs. It does not
# show the order of memory: that of a translated machine is this machine's. Static
# programs, on the fallback. A row each; the whole console is in BUILD/vm/console.arm64.
set -u

: "${PCM_BUILD:?}"
vm=$PCM_BUILD/vm
programs=$PCM_BUILD/matrix/programs/aarch64
library=$PCM_BUILD/matrix/aarch64/libpcmalloc.a
compiler=aarch64-linux-gnu-gcc
mode="fallback, no sections for this architecture"
console=$vm/console.arm64
nfailed=0

fail() {
	echo "$*"
	nfailed=$((nfailed + 1))
}

sh test/matrix/build_programs.sh "$programs" $compiler -static "$library" || exit 1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/programs" "$tree/dev" "$tree/proc"
$compiler -std=gnu11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -static -pthread \
	-o "$tree/init" test/vm/arm64_init.c "$library" || exit 1
cp "$programs"/* "$tree/programs/"
(cd "$tree" && find . | cpio -o -H newc --quiet) | gzip -1 >"$vm/arm64.gz"

# A program hangs for ten minutes at most.
timeout -k 5 "${PCM_VM_LIMIT:-3600}" qemu-system-aarch64 -M virt -cpu cortex-a72 \
	-accel tcg,thread=multi -smp 4 -m 2G -nodefaults -display none -no-reboot \
	-serial stdio -kernel "$vm/arm64/vmlinuz" -initrd "$vm/arm64.gz" \
	-append "console=ttyAMA0 quiet panic=-1 nokaslr rdinit=/init" \
	</dev/null 2>"$vm/qemu.err" | tr -d '\r' >"$console"

grep '^arm64: machine ' "$console"
# The upper half of the address space, which 47 bits do not reach.
block=$(sed -n 's/^arm64: block 0x//p' "$console")
echo "first block: 0x$block"
[ ${#block} = 12 ] && [ "$(printf '%s' "$block" | cut -c1)" \> 7 ] ||
	fail "no block in the upper half of the address space"
while IFS='|' read -r name took status; do
	result=failed
	[ "$status" = 0 ] && result=passed
	[ "$status" = $((77 * 256)) ] && result=skipped
	[ $result = failed ] && nfailed=$((nfailed + 1))
	printf '%-24s %5s s  %s\n' "$name" "$took" "$result"
done <<EOF
$(sed -n 's/^arm64: row //p' "$console")
EOF
[ "$(sed -n 's/^pcmalloc: mode: //p' "$console" | sort -u)" = "$mode" ] ||
	fail "not all ran in the mode '$mode'"
grep -q '^arm64: end' "$console" || fail "the machine did not end"
if [ $nfailed -gt 0 ]; then
	tail -n 40 "$console"
	exit 1
fi
