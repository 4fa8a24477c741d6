#!/bin/sh
# sort, four threads and a buffer small enough for a merge of temporary files.
. "$(dirname "$0")/program_lib.sh"
need sort

prepare()
{
	text "$(size 60000 600000)" >"$INPUT/text"
}

work()
{
	mkdir tmp
	prove_waiting sort --parallel=4
	run sort --parallel=4 -S 2M -T tmp "$INPUT/text" >out/lines
	run sort --parallel=4 -k 3,3 -k 2,2r -s "$INPUT/text" >out/keys
	tr ' ' '\n' <"$INPUT/text" | run sort --parallel=4 |
		run uniq -c | run sort --parallel=4 -rn >out/counts
}

compare
