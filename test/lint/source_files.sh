#!/bin/sh
# Every source file is at most 600 lines long and opens with a comment that says
# its job; no two files of the tree have the same name; no file has a note to
# come back to, or a path of the machine that it was written on.

. "$(dirname "$0")/lint_lib.sh"

MAX_LINES=600

for file in $(lint_files_like '*.c' '*.h' '*.S' '*.cc' '*.sh' '*.py' '*.pl' \
	'*.js' '*.java' '*.awk' '*.mk'); do
	lines=$(wc -l <"$file")
	[ "$lines" -le "$MAX_LINES" ] ||
		complain "$file: $lines lines, more than $MAX_LINES"
done

# opening FILE: the first line with anything in it; after #!, the one after.
opening() {
	awk '/^#!/ && NR == 1 { next } /[^ \t]/ { print; exit }' "$1"
}

for file in $(lint_files_like '*.c' '*.h' '*.S' '*.cc' '*.java' '*.js'); do
	case $(opening "$file") in
	'/*'* | '//'*) ;;
	*) complain "$file: does not open with a comment" ;;
	esac
	# A comment of no words is none.
	[ "$(head -n 4 "$file" | tr -cd 'A-Za-z' | wc -c)" -ge 20 ] ||
		complain "$file: its opening comment says nothing"
done
for file in $(lint_files_like '*.sh' '*.mk' '*.awk' '*.py' '*.pl' Makefile); do
	case $(opening "$file") in
	'#'* | '"""'*) ;;
	*) complain "$file: does not open with a comment" ;;
	esac
done

# Every directory with a module.mk has one of that name.
lint_files | grep -v '/module\.mk$' | sed 's|.*/||' | sort | uniq -d \
	>"$lint_scratch/twice"
while read -r name; do
	complain "more than one file of this name:" $(lint_files_like "$name")
done <"$lint_scratch/twice"

# The patterns are put together here, so that this file has none of them.
notes="TO""DO|FIX""ME|X""XX|HA""CK"
paths="(^|[^A-Za-z0-9_}.])/(wo""rk|ro""ot|ho""me/[a-z]+|tm""p/h)(/|\$|[^A-Za-z0-9_])"
lint_files | xargs grep -nIwE "$notes" >"$lint_scratch/words"
lint_files | xargs grep -nIE "$paths" >>"$lint_scratch/words"
while read -r line; do
	complain "$line"
done <"$lint_scratch/words"

# Text files end with a newline and have no blanks at the ends of lines.
for file in $(lint_files); do
	[ -s "$file" ] && grep -qI . "$file" || continue
	[ -z "$(tail -c 1 "$file")" ] ||
		complain "$file: no newline at its end"
	grep -nE '[ 	]+$' "$file" | head -n 3 | while read -r line; do
		complain "$file:${line%%:*}: blanks at the end of the line"
	done
done

lint_end
