# The Perl program of the suite: perl perl_work.pl FILE N. Reads a text N times:
# words counted in hashes, lists of lists, strings grown and substituted.
use strict;
use warnings;

my ($path, $turns) = @ARGV;
my (%count, %after);
my $long = '';

for my $turn (1 .. $turns) {
	open my $file, '<', $path or die "$path: $!";
	my $before = '';
	while (my $line = <$file>) {
		chomp $line;
		for my $word (split / /, $line) {
			$count{$word}++;
			push @{$after{$before}}, [$word, $turn];
			$before = $word;
		}
		$line =~ s/([a-m]+)/<$1>/g;
		$long .= substr $line, 0, 20;
	}
	close $file;
	%after = () if $turn % 2;
}
my @top = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
my $links = 0;
$links += @{$after{$_}} for sort keys %after;
printf "%s %d %d %d %d\n", $top[0], $count{$top[0]}, scalar @top, $links,
    length $long;
