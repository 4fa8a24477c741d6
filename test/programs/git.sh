#!/bin/sh
# git: a repository made, merged, rebased, packed with threads, cloned and
# searched.  Object names are hashes of the contents, so one differing byte
# shows in everything that follows.
. "$(dirname "$0")/program_lib.sh"
need git

prepare()
{
	text 4000 >"$INPUT/text"
}

# tree N: write version N of some files.
tree()
{
	mkdir -p src/a src/b
	for part in 1 2 3 4 5 6 7 8; do
		awk -v n="$1" -v part="$part" '
		NR % 8 == part - 1 && (NR + n) % 13 { print }
		NR % 211 == n { print "version", n, "part", part }
		' "$INPUT/text" >"src/a/part$part"
	done
	head -c $(($1 * 20011)) "$INPUT/text" >src/b/growing
}

commit()
{
	# Dates are part of a commit's name.
	GIT_AUTHOR_DATE="$((1700000000 + $1)) +0000"
	GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
	export GIT_AUTHOR_DATE GIT_COMMITTER_DATE
	git add -A
	git commit -q -m "version $1"
}

git()
{
	run git "$@"
}

work()
{
	export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
	export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
	export GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
	prove git version
	mkdir repo
	cd repo
	git init -q .
	git checkout -q -b main
	git config gc.auto 0
	git config pack.threads 4
	git config grep.threads 4
	git config index.threads 4
	versions=$(size 6 60)
	n=1
	while [ "$n" -le "$versions" ]; do
		tree "$n"
		commit "$n"
		n=$((n + 1))
	done
	git checkout -q -b side HEAD~3
	echo side >side
	commit "$n"
	git merge -q -m merge main
	git checkout -q -b line main~2
	echo linear >linear
	commit "$((n + 1))"
	git rebase -q side >/dev/null
	git gc -q --aggressive
	git repack -q -a -d -f --depth=20 --window=20
	git fsck --full --strict --no-progress
	git log --stat -p --all --topo-order --date=raw >../out/log
	git blame -s -C src/a/part3 >../out/blame
	git grep -n -i -E 'ab+|version [0-9]' main~1 >../out/grep
	git cat-file --batch-all-objects --batch-check >../out/objects
	git diff --stat main~4 line
	git archive line >../out/archive.tar
	cd ..
	git clone -q --no-local repo clone 2>/dev/null
	git -C clone checkout -q main
	git -C clone status --short
	git -C clone rev-parse HEAD main
	diff -r clone/src repo/src >/dev/null || echo "trees differ"
}

compare
