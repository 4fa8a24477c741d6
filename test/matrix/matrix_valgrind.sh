# Sourced by matrix.sh: valgrind on this machine. It answers ENOSYS to rseq, and
# runs one thread at a time.
#
# Its variables are those of matrix.sh.
# shellcheck shell=sh disable=SC2034,SC2154

# at_valgrind OPTIONS
at_valgrind() {
	programs=$matrix/programs/glibc preload=$PCM_BUILD/libpcmalloc.so.0
	launch="valgrind -q --trace-children=yes --fair-sched=try
		--error-exitcode=99 $1"
	settings="PCM_STRESS_LIMIT=300 PCM_STRESS_SECONDS=0.5"
	limit=360
	only=$glibc_programs
	refused=yes
	nstorm=300
}

cells_of_valgrind() {
	at_valgrind --tool=none
	cell "valgrind, none" "$no_rseq"
	at_valgrind "--tool=callgrind --callgrind-out-file=/dev/null"
	cell "valgrind, callgrind" "$no_rseq"
	# By default memcheck puts its own malloc in the place of any.
	at_valgrind --tool=memcheck
	replaced=yes
	only="cell_identity small_work detached_storm stress_migrate
		stress_signal stress_churn stress_fork real_work"
	cell "valgrind, memcheck, malloc replaced" "$no_rseq"
	at_valgrind "--tool=memcheck --soname-synonyms=somalloc=NONE"
	cell "valgrind, memcheck, malloc kept" "$no_rseq"
}

if command -v valgrind >/dev/null; then
	cells_of_valgrind
else
	not_a_cell "valgrind" skipped "no valgrind"
fi
