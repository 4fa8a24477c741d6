#!/bin/sh
# tar with xz -T2: a tree packed by two threads, unpacked by two, compared.
. "$(dirname "$0")/program_lib.sh"
need tar xz

prepare()
{
	mkdir -p "$INPUT/tree/deep/er"
	text "$(size 12000 300000)" >"$INPUT/text"
	split -n l/60 "$INPUT/text" "$INPUT/tree/part."
	head -c 3000000 "$(command -v tar)" >"$INPUT/tree/deep/binary"
	ln -s ../part.aa "$INPUT/tree/deep/link"
	ln "$INPUT/tree/part.ab" "$INPUT/tree/deep/er/hard"
}

work()
{
	prove_waiting xz -T2 -c
	prove_waiting tar -c -T - -f proof.tar
	run tar -c --sort=name --owner=0 --group=0 --numeric-owner \
		-I 'xz -T2 -3 --block-size=300000' -f out/tree.tar.xz \
		-C "$INPUT" tree
	run xz -T2 -t -v out/tree.tar.xz 2>/dev/null
	mkdir unpacked
	run tar -x -I 'xz -T2' -f out/tree.tar.xz -C unpacked
	diff -r "$INPUT/tree" unpacked/tree
	run tar -t -v --numeric-owner -f out/tree.tar.xz |
		sed 's/20[0-9-]* [0-9:]* //' >out/listing
}

compare
