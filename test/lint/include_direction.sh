#!/bin/sh
# Includes point one way: rseq <- percpu <- allocator <- bench, test. A file may
# include, by name in quotes, headers of its own layer and of those below; the
# public header counts as the allocator's. Only what is no part of malloc's core
# may include <stdio.h>.

. "$(dirname "$0")/lint_lib.sh"

# layers_of LAYER: the layers whose headers a file of it may include.
layers_of() {
	case $1 in
	include) ;;
	rseq) echo rseq ;;
	percpu) echo percpu rseq ;;
	allocator) echo allocator percpu rseq include ;;
	bench) echo bench allocator percpu rseq include ;;
	test) echo test allocator percpu rseq include ;;
	*) echo unknown ;;
	esac
}

# layer_of FILE
layer_of() {
	printf '%s\n' "${1%%/*}"
}

# includes FILE: "LINE HEADER" for each, the header with its <> or quotes.
includes() {
	awk '{
		if (match($0, /^[ \t]*#[ \t]*include(_next)?[ \t]*/) &&
		    match(rest = substr($0, RLENGTH + 1), /^(<[^>]*>|"[^"]*")/))
			print NR, substr(rest, 1, RLENGTH)
	}' "$1"
}

lint_files_like '*.h' >"$lint_scratch/headers"
sed 's|.*/||' "$lint_scratch/headers" >"$lint_scratch/header_names"

# check_quoted FILE LINE HEADER: is there such a header where FILE may look?
check_quoted() {
	base=${3##*/}
	found=
	for layer in $(layers_of "$(layer_of "$1")"); do
		if grep -q "^$layer/\(.*/\)\{0,1\}$base\$" \
			"$lint_scratch/headers"; then
			found=$layer
		fi
	done
	[ -n "$found" ] || complain "$1:$2: \"$3\" is no header of" \
		"$(layer_of "$1")/ or of a layer below"
}

# check_angled FILE LINE HEADER: a system's header, or the public one.
check_angled() {
	case $3 in
	pcmalloc/*)
		case " $(layers_of "$(layer_of "$1")") " in
		*' include '*) ;;
		*) complain "$1:$2: <$3> belongs to a layer above" ;;
		esac
		;;
	*/*) ;;
	*)
		if grep -qx "$3" "$lint_scratch/header_names" &&
			! [ -e "/usr/include/$3" ]; then
			complain "$1:$2: <$3> is ours: write it in quotes"
		fi
		;;
	esac
	case $1:$3 in
	# malloc_info() takes a FILE; the launcher is a program of its own.
	allocator/malloc_tune.c:stdio.h | allocator/glibc_malloc.h:stdio.h) ;;
	allocator/launcher.c:stdio.h) ;;
	rseq/*:stdio.h | percpu/*:stdio.h | allocator/*:stdio.h)
		complain "$1:$2: stdio in malloc's core"
		;;
	esac
}

n=0
for file in $(lint_files_like '*.c' '*.h' '*.S' '*.cc'); do
	n=$((n + 1))
	includes "$file" >"$lint_scratch/includes"
	while read -r line header; do
		name=${header#?}
		name=${name%?}
		case $header in
		\<*) check_angled "$file" "$line" "$name" ;;
		*) check_quoted "$file" "$line" "$name" ;;
		esac
	done <"$lint_scratch/includes"
done
[ "$n" -gt 20 ] || complain "only $n source files found"

# A .c or .cc file is never included.
lint_files_like '*.c' '*.h' '*.cc' | xargs grep -nE \
	'^[ 	]*#[ 	]*include[ 	]*["<][^">]*\.(c|cc)[">]' >"$lint_scratch/c"
while read -r line; do
	complain "$line"
done <"$lint_scratch/c"

lint_end
