#!/bin/sh
# pbzip2: C++, with a queue of blocks between four threads.
. "$(dirname "$0")/program_lib.sh"
need pbzip2

prepare()
{
	text "$(size 40000 200000)" >"$INPUT/text"
}

work()
{
	prove pbzip2 -k -c "$INPUT/text"
	run pbzip2 -q -k -c -p4 -b1 "$INPUT/text" >out/text.bz2
	run pbzip2 -q -d -c -p4 out/text.bz2 | cmp - "$INPUT/text"
	run pbzip2 -q -c -p4 -b3 -9 <"$INPUT/text" >out/stdin.bz2
	run pbzip2 -q -t -p4 out/stdin.bz2
}

compare
