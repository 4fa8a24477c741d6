#!/bin/sh
# What the documents say is there: every path, file and make target that they
# name, every pcm_ identifier; every configuration key with its values; every
# message. And the other way round for keys and messages.

. "$(dirname "$0")/lint_lib.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

documents=$(lint_files_like '*.md')
for file in README.md docs/DESIGN.md docs/LOCKING.md docs/DIAGNOSTICS.md \
	docs/TUNING.md; do
	[ -s "$file" ] || complain "$file: not there"
done

# code FILE: "LINE<tab>TEXT" of what is code: fenced or indented blocks, and
# what stands between backquotes.
code() {
	awk '/^```/ { fenced = !fenced; next }
	fenced || /^(    |\t)/ { print NR "\t" $0; next }
	{
		n = split($0, part, "`")
		for (i = 2; i <= n; i += 2)
			print NR "\t" part[i]
	}' "$1"
}

# ---- paths ----

ours='rseq|percpu|allocator|bench|test|docs|include/pcmalloc|\.ci'

# exists PATH: a file or directory, or a pattern that matches one.
exists() {
	# shellcheck disable=SC2086 # a pattern is to be expanded
	set -- $1
	[ -e "$1" ]
}

for file in $documents; do
	# The first character may be the one before the path.
	grep -noE "(^|[^A-Za-z0-9_./<-])($ours)/[A-Za-z0-9_./*-]*" "$file" |
		sed -E -e 's/^([0-9]+):[^A-Za-z0-9.]/\1:/' -e 's/[.]+$//' |
		sort -u >"$lint_scratch/paths"
	while IFS=: read -r line path; do
		exists "$path" || complain "$file:$line: no such file: $path"
	done <"$lint_scratch/paths"
	# Links to other files, as they are from where the document is.
	grep -noE '\]\([^)#:]+\)' "$file" | sed -e 's/](//' -e 's/)$//' |
		sort -u | grep -vxFf "$lint_scratch/paths" \
			>"$lint_scratch/links"
	while IFS=: read -r line path; do
		[ -e "$(dirname "$file")/$path" ] ||
			complain "$file:$line: no such file: $path"
	done <"$lint_scratch/links"
done

# Files that are called by their name alone; the names are unique.
lint_files | sed 's|.*/||' | sort -u >"$lint_scratch/names"
for file in $documents; do
	code "$file" | grep -oE \
		'^[0-9]+|(^|[[:space:](,])[A-Za-z0-9_*]+\.(c|h|S|sh|md|mk|map|py|cc)\b' |
		awk '/^[0-9]+$/ { line = $0; next } { print line, $1 }' |
		tr -d '(,' >"$lint_scratch/files"
	while read -r line name; do
		pattern=$(printf '%s\n' "$name" | sed -e 's/\./\\./g' \
			-e 's/\*/.*/g')
		grep -qx "$pattern" "$lint_scratch/names" ||
			complain "$file:$line: no such file: $name"
	done <"$lint_scratch/files"
done

# Documents that sources refer to.
lint_files | grep -v '\.md$' | xargs grep -nIoE '\bdocs/[A-Za-z0-9_./-]+\.(md|[0-9])\b' |
	sort -u >"$lint_scratch/references"
while IFS=: read -r file line path; do
	[ -e "$path" ] || complain "$file:$line: no such file: $path"
done <"$lint_scratch/references"

# ---- identifiers ----

lint_files_like '*.c' '*.h' '*.S' '*.map' |
	grep -E '^(rseq|percpu|allocator|include)/' |
	xargs grep -ohwE '(pcm|PCM)_[A-Za-z0-9_]+' | sort -u >"$lint_scratch/known"
for file in $documents; do
	grep -nowE '(pcm|PCM)_[A-Za-z0-9_]*[A-Za-z0-9]' "$file" |
		sort -u >"$lint_scratch/identifiers"
	while IFS=: read -r line name; do
		grep -qx "$name" "$lint_scratch/known" ||
			complain "$file:$line: no such identifier: $name"
	done <"$lint_scratch/identifiers"
done

# ---- make targets ----

# commands FILE: "LINE<tab>WORDS" for each make command in code.
commands() {
	code "$1" | sed -nE 's/^([0-9]+)\t(.*[[:space:];&|(])?make([[:space:]][^#;&|]*|$).*/\1\t\3/p'
}

for file in $documents; do
	commands "$file" >"$lint_scratch/commands"
	while IFS='	' read -r line words; do
		# shellcheck disable=SC2086 # words
		make -n $words >"$lint_scratch/make" 2>&1 ||
			complain "$file:$line: make $words:" \
				"$(tail -n 1 "$lint_scratch/make")"
	done <"$lint_scratch/commands"
done

make -s help | sed -nE 's/^make ([a-z][a-z0-9-]*).*/\1/p' >"$lint_scratch/targets"
[ -s "$lint_scratch/targets" ] || complain "make help names no targets"
while read -r target; do
	make -n "$target" >"$lint_scratch/make" 2>&1 ||
		complain "make help: $target: $(tail -n 1 "$lint_scratch/make")"
done <"$lint_scratch/targets"

# ---- configuration: one line "KEY VALUE VALUE ..." for each ----

# In conf.c's table a string behind ".name =" is a key, the others are values; a key
# with a ".number" takes bytes.
awk '/^static const struct key/ { inside = 1 }
inside && /^};/ { exit }
inside { text = text $0 }
END {
	while (match(text, /"[a-z_0-9]+"/)) {
		word = substr(text, RSTART + 1, RLENGTH - 2)
		before = substr(text, 1, RSTART - 1)
		text = substr(text, RSTART + RLENGTH)
		if (before ~ /\.name = $/)
			printf "%s%s%s", n++ ? "\n" : "", word,
				text ~ /^,[ \t]*\.number/ ? " bytes" : ""
		else
			printf " %s", word
	}
	if (n)
		print ""
}' allocator/conf.c | sort >"$lint_scratch/conf_code"

# In TUNING.md a key is a row: | `key` | `value`, `value` | `default` | ...
awk -F'|' '/^\| `[a-z_0-9]+` \|/ {
	gsub(/[` ]/, "", $2)
	gsub(/[` ]/, "", $3)
	gsub(/,/, " ", $3)
	print $2, $3
}' docs/TUNING.md | sort >"$lint_scratch/conf_docs"

# sorted FILE: the values of each line in alphabetical order.
sorted() {
	while read -r key values; do
		# shellcheck disable=SC2086 # words
		echo "$key" $(printf '%s\n' $values | sort)
	done <"$1"
}

sorted "$lint_scratch/conf_code" >"$lint_scratch/code_sorted"
sorted "$lint_scratch/conf_docs" >"$lint_scratch/docs_sorted"
[ -s "$lint_scratch/code_sorted" ] || complain "no keys found in conf.c"
comm -23 "$lint_scratch/code_sorted" "$lint_scratch/docs_sorted" \
	>"$lint_scratch/diff"
while read -r line; do
	complain "in conf.c, but not so in docs/TUNING.md: $line"
done <"$lint_scratch/diff"
comm -13 "$lint_scratch/code_sorted" "$lint_scratch/docs_sorted" \
	>"$lint_scratch/diff"
while read -r line; do
	complain "in docs/TUNING.md, but not so in conf.c: $line"
done <"$lint_scratch/diff"

# Every key:value in any document is one of them.
for file in $documents docs/man/*; do
	grep -noE 'PCMALLOC_CONF=[A-Za-z0-9_:,]+' "$file" |
		sed 's/PCMALLOC_CONF=//' >"$lint_scratch/uses"
	while IFS=: read -r line uses; do
		for use in $(printf '%s\n' "$uses" | tr ',' ' '); do
			case $use in
			key:value) continue ;;
			esac
			grep -qE "^${use%%:*}( .*)? ${use#*:}( |\$)" \
				"$lint_scratch/code_sorted" ||
				complain "$file:$line: no such setting: $use"
		done
	done <"$lint_scratch/uses"
done

# ---- messages ----

# The texts of misuse.c and conf.c, variable parts as a dot.
{
	sed -n 's/^\t\[PCM_MISUSE_[A-Z_]*\] = "\(.*\)",$/\1/p' \
		allocator/misuse.c |
		sed 's/^/pcmalloc: .(.): /'
	awk '/^report_/ { inside = 1; message = "" }
	inside && match($0, /pcm_text_str\(&text, /) {
		text = $0
		gsub(/VARIABLE/, "\"PCMALLOC_CONF\"", text)
		sub(/.*&text, */, "", text)
		while (match(text, /"[^"]*"/)) {
			message = message substr(text, RSTART + 1, RLENGTH - 2)
			text = substr(text, RSTART + RLENGTH)
		}
	}
	inside && /quote\(&text/ { message = message "\047.\047" }
	inside && /^}/ { sub(/\\n$/, "", message); print message; inside = 0 }
	' allocator/conf.c
} | sort -u >"$lint_scratch/messages_code"

# In DIAGNOSTICS.md a message is code that begins with "pcmalloc: "; those of
# the launcher have a table of their own.
code docs/DIAGNOSTICS.md |
	sed -n 's/^[0-9]*\t[[:space:]]*\(pcmalloc: .*\)/\1/p' |
	sed -E -e "s/(FUNCTION|free|realloc|malloc_usable_size)\(0x[0-9a-f.]*\)/.(.)/" \
		-e "s/'[^']*'/'.'/g" | grep -vE '^pcmalloc: [A-Z]+: [A-Z]' |
	sort -u >"$lint_scratch/messages_docs"

[ "$(wc -l <"$lint_scratch/messages_code")" -ge 5 ] ||
	complain "fewer messages found in the code than there are"
comm -23 "$lint_scratch/messages_code" "$lint_scratch/messages_docs" \
	>"$lint_scratch/diff"
while read -r line; do
	complain "written, but not in docs/DIAGNOSTICS.md: $line"
done <"$lint_scratch/diff"
comm -13 "$lint_scratch/messages_code" "$lint_scratch/messages_docs" \
	>"$lint_scratch/diff"
while read -r line; do
	complain "in docs/DIAGNOSTICS.md, but never written: $line"
done <"$lint_scratch/diff"

lint_end
