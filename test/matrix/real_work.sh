#!/bin/sh
# Real programs of a minimal system: Perl with strings, hashes and a child, and
# twice a pipe of small processes. Each checks its result.
set -eu

perl -e '
	my %lines;
	for my $i (1 .. 20000) {
		push @{$lines{$i % 977}}, "line $i" . "x" x ($i % 61);
	}
	my $n = 0;
	for my $key (sort { $a <=> $b } keys %lines) {
		$n += length join "\n", @{$lines{$key}};
	}
	die "$n\n" unless $n == 807758;
	my $pid = fork() // die;
	exit 0 unless $pid;
	waitpid $pid, 0;
	die "child: $?\n" if $?;'

numbers() {
	seq 20000 | sed 's/$/ some text/' | sort "$@" | uniq -c | cksum
}

[ "$(numbers)" = "$(numbers -S 100K)" ]
