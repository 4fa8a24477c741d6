# Sourced after lint_lib.sh by the scripts that build the library another way
# and try it out.

unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# build_and_try COMPILER ARGUMENT...: make's arguments beside the directory. What
# the compiler has to say is printed; it should be nothing.
build_and_try() {
	compiler=$1
	shift
	build=$lint_scratch/build
	if ! make -s -j2 B="$build" "$@" all >"$lint_scratch/make" 2>&1 ||
		grep -qiE '(warning|error):' "$lint_scratch/make"; then
		complain "make $*:"
		tail -n 30 "$lint_scratch/make"
		lint_end
	fi
	"$compiler" -O1 -Wall -Wextra -Werror -pthread -fno-builtin \
		-o "$lint_scratch/threads_work" test/lint/threads_work.c ||
		complain "threads_work.c"
	for conf in index:auto index:cpu_id rseq:off; do
		if ! PCMALLOC_CONF=$conf,stats:exit \
			LD_PRELOAD=$build/libpcmalloc.so \
			"$lint_scratch/threads_work" >"$lint_scratch/out" 2>&1
		then
			complain "threads_work failed with $conf:" \
				"$(head -n 1 "$lint_scratch/out")"
		elif ! grep -q '^pcmalloc: mode: ' "$lint_scratch/out"; then
			complain "threads_work with $conf: not on pcmalloc"
		fi
	done
}
