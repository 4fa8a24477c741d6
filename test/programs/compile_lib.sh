# shellcheck shell=sh
# Shared by gcc.sh and clang.sh, which set CC and CXX: several compilations at
# a time of generated sources.  Objects, listings and programs must be the same
# bytes; the programs run and print the same checksum.

prepare()
{
	for n in 1 2 3; do
		awk -v seed="$n" -v functions="$(size 15 120)" \
			-f "$HERE/gen_c.awk" >"$INPUT/c$n.c"
	done
	awk -v seed=4 -v functions="$(size 3 15)" -v cxx=1 \
		-f "$HERE/gen_c.awk" >"$INPUT/cxx.cc"
}

has_cxx()
{
	command -v "$CXX" >/dev/null &&
		echo '#include <map>' | "$CXX" -x c++ -fsyntax-only - 2>/dev/null
}

# parallel: read commands, run them two at a time.
parallel()
{
	run xargs -P 2 -I '{}' sh -c '{}'
}

work()
{
	prove "$CC" -O2 -fwrapv -c "$INPUT/c1.c" -o proof.o
	cp "$INPUT"/* .
	{
		echo "$CC -O2 -g -fwrapv -c c1.c -o out/c1.o"
		echo "$CC -O3 -fwrapv -c c2.c -o out/c2.o"
		echo "$CC -O1 -fwrapv -S -fverbose-asm c3.c -o out/c3.s"
		echo "$CC -E -dD c1.c -o out/c1.i"
		echo "$CC -O2 -fwrapv c3.c -o out/c3"
		if has_cxx; then
			echo "$CXX -O2 -g -c cxx.cc -o out/cxx.o"
		fi
	} | parallel
	run "$CC" out/c1.o -o out/c1
	run out/c1
	run out/c3
	if has_cxx; then
		run "$CXX" out/cxx.o -o out/cxx
		run out/cxx
	fi
	# A broken source: the diagnostics must be the same too.
	sed 's/long sum = /long sum - /' c2.c >broken.c
	run "$CC" -fsyntax-only broken.c 2>out/diagnostics || echo "status $?"
}
