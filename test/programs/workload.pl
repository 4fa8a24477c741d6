# The workload of perl.sh: perl workload.pl N
use strict;
use warnings;
use Config;
use List::Util qw(sum first shuffle);
use POSIX ();

my $n = shift;
my $seed = 42;

sub rnd
{
	$seed = ($seed * 16807) % 2147483647;
	return $seed % shift;
}

# Words, counted, sorted and edited.
sub words
{
	my ($count) = @_;
	my %seen;
	for (1 .. $count) {
		my $word = join '', map { chr(97 + rnd(26)) } 1 .. 1 + rnd(6);
		$seen{$word}{count}++;
		push @{$seen{$word}{at}}, $_;
		delete $seen{$word} if rnd(50) == 0;
	}
	my @top = sort { $seen{$b}{count} <=> $seen{$a}{count} || $a cmp $b }
	    keys %seen;
	my @lines = map { "$_ $seen{$_}{count} @{$seen{$_}{at}}" }
	    @top[0 .. 200];
	s/(\w)(\w*)/\u$1\L$2/g, s/\b(\d)(\d*)\b/<$2$1>/g for @lines;
	my @in_hash_order = keys %seen;
	return (@lines, "@in_hash_order[0 .. 99]");
}

# Strings that grow in place, are cut, packed and reversed.
sub strings
{
	my ($count) = @_;
	my $text = '';
	my @parts;
	for my $i (1 .. $count) {
		$text .= sprintf '%d:%x;', $i, rnd(1 << 30);
		push @parts, substr $text, rnd(length $text), rnd(2000)
		    if $i % 10 == 0;
		shift @parts if @parts > 300;
		$text = substr $text, length($text) / 2 if length $text > 1e5;
	}
	my $packed = pack '(n/a*)*', @parts;
	my @again = unpack '(n/a*)*', $packed;
	return (unpack('%32C*', $packed), scalar reverse(join ',', @again));
}

# Children that allocate, and pipes back from them.
sub processes
{
	my @out;
	for my $child (1 .. 4) {
		my $pid = open(my $pipe, '-|') // die "fork: $!";
		if (!$pid) {
			my @list = map { "child $child item $_" x 3 } 1 .. 500;
			print "$_\n" for @list[rnd(500), rnd(500)];
			close STDOUT;
			POSIX::_exit(0);
		}
		push @out, <$pipe>;
		close $pipe or die "child: $?";
	}
	chomp @out;
	push @out, `echo from the shell`;
	return @out;
}

# Each thread clones the whole interpreter and frees it again.
sub threads_run
{
	my ($rounds) = @_;
	# Not in every perl, and not in Debian's perl-base.
	return () unless $Config{useithreads} && eval { require threads };
	my @out;
	for my $round (1 .. $rounds) {
		my @threads = map {
			my $id = $_;
			threads->create(sub {
				my %h = map { $_ => "$_" x ($_ % 50) }
				    1 .. 2000 * $id;
				delete @h{grep { $_ % 3 } keys %h};
				return sum(map { length } values %h);
			});
		} 1 .. 4;
		push @out, map { $_->join } @threads;
	}
	return @out;
}

$| = 1;
print "$_\n" for words($n), strings($n), processes(),
    threads_run($n > 1e5 ? 30 : 2);
