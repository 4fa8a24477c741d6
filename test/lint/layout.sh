#!/bin/sh
# Each name in allocator/layout.ld is a function's or a file's: what has gone, or has another
# name now, goes from there, too.

. "$(dirname "$0")/lint_lib.sh"
: "${PCM_BUILD:=build}"

objects=$PCM_BUILD/obj
[ -d "$objects" ] || {
	echo "no $objects"
	exit 77
}
command -v nm >/dev/null || {
	echo "no nm"
	exit 77
}

# Functions; what gcc calls foo.part.0, the source calls foo. Not of objects whose source has
# gone.
for source in rseq/*.c percpu/*.c allocator/*.c; do
	[ ! -f "$objects/${source%.c}.o" ] ||
		nm --defined-only "$objects/${source%.c}.o"
done |
	awk '$2 == "t" || $2 == "T" { sub(/\..*/, "", $3); print $3 }' |
	sort -u >"$lint_scratch/functions"
# Without comments.
sed -e 's|/\*.*\*/||' -e '\|/\*|,\|\*/|d' allocator/layout.ld | tr -s ' \t()' '\n' \
	>"$lint_scratch/words"

# Of patterns such as .text.pcm_conf_read* and .text.*_fork_lock*.
grep '^\.text\.' "$lint_scratch/words" | sed 's/^\.text\.//' | sort -u |
	while read -r name; do
		case $name in
		early* | late | unlikely* | startup* | exit* | '*') continue ;;
		esac
		pattern=$(printf '%s' "${name%\*}" | sed 's/\*/.*/g')
		grep -q "^$pattern\$" "$lint_scratch/functions" ||
			complain "allocator/layout.ld: no function $name"
	done
grep '^\*/.*\.o$' "$lint_scratch/words" | sort -u | while read -r file; do
	name=${file#"*/"}
	find rseq percpu allocator -name "${name%.o}.c" | grep -q . ||
		complain "allocator/layout.ld: no file $name"
done

# Both lists were read.
[ "$(grep -c '^\*/.*\.o$' "$lint_scratch/words")" -gt 10 ] ||
	complain "allocator/layout.ld: no files found in it"
lint_end
