# Sourced by the lint scripts: where the tree is, what is in it, and how a
# complaint is made. A script ends with lint_end.

set -u
cd "${PCM_ROOT:-$(dirname "$0")/../..}" || exit 1

lint_scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$lint_scratch"' EXIT
trap 'exit 1' HUP INT TERM
: >"$lint_scratch/complaints"

# Also from within a pipe: complaints are counted in a file.
complain() {
	printf '%s\n' "$*" | tee -a "$lint_scratch/complaints"
}

lint_end() {
	[ ! -s "$lint_scratch/complaints" ]
	exit $?
}

# The files of the project, one a line: tracked ones, and those that would be.
# Without git everything but build directories and objects.
lint_files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -name .git -prune -o -name 'build*' -type d -prune -o \
			-type f ! -name '*.o' -print | sed 's|^\./||'
	fi | sort | while read -r file; do
		[ -f "$file" ] && printf '%s\n' "$file"
	done
}

# lint_files_like PATTERN...: those whose name matches a shell pattern.
lint_files_like() {
	lint_files | while read -r file; do
		for pattern in "$@"; do
			# shellcheck disable=SC2254 # it is a pattern
			case ${file##*/} in
			$pattern)
				printf '%s\n' "$file"
				break
				;;
			esac
		done
	done
}

# compiler FILE: such as gcc-12. A file of clang's has parts of gcc's in it.
compiler() {
	readelf -p .comment "$1" | sed -n \
		-e 's/.*clang version \([0-9]*\).*/0 clang-\1/p' \
		-e 's/.*GCC: ([^)]*) \([0-9]*\).*/1 gcc-\1/p' |
		sort | head -n 1 | cut -d ' ' -f 2
}
