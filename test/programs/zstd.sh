#!/bin/sh
# zstd with four threads, long range matching, and a trained dictionary.
. "$(dirname "$0")/program_lib.sh"
need zstd

prepare()
{
	text "$(size 60000 400000)" >"$INPUT/text"
	mkdir "$INPUT/samples"
	head -n 5000 "$INPUT/text" | split -l 20 - "$INPUT/samples/"
}

work()
{
	prove zstd -T4 -c "$INPUT/text"
	for level in 1 3 6 "$(size 9 12)"; do
		run zstd -q -T4 -B262144 "-$level" "$INPUT/text" -o "out/$level.zst"
		run zstd -q -d -c "out/$level.zst" | cmp - "$INPUT/text"
	done
	run zstd -q -T2 --long -c "$INPUT/text" >out/long.zst
	run zstd -q -d -c out/long.zst | cmp - "$INPUT/text"
	run zstd -q --train "$INPUT"/samples/* --maxdict=4096 -o out/dictionary \
		2>/dev/null
	run zstd -q -D out/dictionary -r "$INPUT/samples" -c >out/samples.zst
}

compare
