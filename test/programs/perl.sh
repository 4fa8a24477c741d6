#!/bin/sh
# perl: hashes, regular expressions, sorting, processes, interpreter threads.
. "$(dirname "$0")/program_lib.sh"
need perl

work()
{
	# The order of a hash is part of the output.
	export PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0
	prove perl -e 1
	run perl "$HERE/workload.pl" "$(size 20000 120000)"
}

compare
