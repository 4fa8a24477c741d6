# Sourced by matrix.sh: roots, programs and libraries of the matrix.
#
# Its variables are those of matrix.sh.
# shellcheck shell=sh disable=SC2034,SC2154

oldest=bullseye

# source_into DIRECTORY: the tree, less what is built and what is not needed.
source_into() {
	rm -rf "$1"
	mkdir -p "$1"
	tar -cf - Makefile rseq percpu allocator include test bench docs |
		tar -xf - -C "$1"
}

# oldest_programs: the dynamic programs come from the oldest release, since one
# built here would ask for this machine's libc.
oldest_programs() {
	root=$matrix/roots/$oldest
	source_into "$root/pcm/source"
	"$here/in_root.sh" "$root" sh -c 'cd /pcm/source &&
		sh test/matrix/build_programs.sh /pcm/programs gcc &&
		sh test/matrix/build_programs.sh --deny /pcm/programs gcc' ||
		return
	rm -rf "$matrix/programs/glibc"
	cp -r "$root/pcm/programs" "$matrix/programs/glibc"
	cp test/matrix/real_work.sh "$matrix/programs/glibc/real_work"
}

# programs_here: what runs on this machine's libcs.
programs_here() {
	build=test/matrix/build_programs.sh
	sh $build "$matrix/programs/static" gcc -static \
		"$PCM_BUILD/libpcmalloc.a"
	sh $build "$matrix/programs/static_musl" musl-gcc -static \
		"$matrix/musl/libpcmalloc.a"
	sh $build "$matrix/programs/musl" musl-gcc
}

# into_root SUITE: library and programs.
into_root() {
	root=$matrix/roots/$1
	mkdir -p "$root/pcm"
	rm -rf "$root/pcm/programs"
	cp -r "$matrix/programs/glibc" "$root/pcm/programs" &&
		cp "$PCM_BUILD/libpcmalloc.so.0" "$root/pcm/"
}

# build_in_root SUITE: the library by the release's compiler.
build_in_root() {
	root=$matrix/roots/$1
	source_into "$root/pcm/source"
	"$here/in_root.sh" "$root" sh -c \
		'cd /pcm/source && make -s B=build all' \
		>"$logs/build-$1" 2>&1 && return
	grep -E 'error|Error' "$logs/build-$1" | head -n 20
	return 1
}

# interface_tests_in_root SUITE: prints their counts.
interface_tests_in_root() {
	root=$matrix/roots/$1
	status=0
	"$here/in_root.sh" "$root" sh -c \
		'cd /pcm/source && make B=build matrix-interface' \
		>"$logs/interface-$1" 2>&1 || status=$?
	grep -E '^FAIL ' "$logs/interface-$1" | sed 's/^/  /' >&2
	tail -n 40 "$logs/interface-$1" |
		grep -oE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' ||
		echo "did not run"
	return $status
}
