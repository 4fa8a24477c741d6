#!/bin/sh
# pigz: eight threads that pass small buffers between them.
. "$(dirname "$0")/program_lib.sh"
need pigz

prepare()
{
	text "$(size 60000 600000)" >"$INPUT/text"
}

work()
{
	prove pigz -c "$INPUT/text"
	for level in 1 6 9; do
		run pigz -n -p 8 -b 32 "-$level" -c "$INPUT/text" >"out/$level.gz"
		run pigz -d -c "out/$level.gz" | cmp - "$INPUT/text"
	done
	run pigz -n -p 8 -b 32 -i -c <"$INPUT/text" >out/independent.gz
	run pigz -p 4 -t out/independent.gz
}

compare
