# The client of memcached.sh: perl memcached.pl ping|load SOCKET [KEYS]
use strict;
use warnings;
use IO::Socket::UNIX;

my ($command, $path, $keys) = @ARGV;

sub client
{
	return IO::Socket::UNIX->new(Peer => $path) // die "connect: $!";
}

sub value
{
	my ($client, $i) = @_;
	return substr "$client.$i," x 700, 0, $i * 37 % 4000 + 1;
}

# Pipelined: the answers are read when a batch of requests is out.
sub ask
{
	my ($socket, $requests, $answers) = @_;
	print $socket $requests;
	$socket->flush;
	my @lines = map { scalar <$socket> } 1 .. $answers;
	return join '', @lines;
}

sub write_keys
{
	my ($client) = @_;
	my $socket = client();
	for (my $i = 0; $i < $keys; $i += 20) {
		my ($requests, $answers) = ('', 0);
		for my $k ($i .. $i + 19) {
			my $v = value($client, $k);
			$requests .= "set $client:$k 0 0 " . length($v) . "\r\n$v\r\n";
			$requests .= "append $client:$k 0 0 3\r\nend\r\n";
			$requests .= "delete $client:" . ($k - 40) . "\r\n"
			    if $k % 3 == 0;
			$requests .= "set shared:" . $k % 100 . " 0 0 6\r\nshared\r\n";
			$answers += 3 + ($k % 3 == 0);
		}
		my $got = ask($socket, $requests, $answers);
		die "server says: $1" if $got =~ /^((?:SERVER_|CLIENT_)?ERROR.*)/m;
	}
}

# Every key is there with what was appended to it, or was deleted.
sub read_keys
{
	my ($client) = @_;
	my $socket = client();
	my ($found, $missing, $bytes) = (0, 0, 0);
	for my $k (0 .. $keys - 1) {
		print $socket "get $client:$k\r\n";
		$socket->flush;
		my $header = <$socket>;
		if ($header !~ /^VALUE \S+ \d+ (\d+)/) {
			$missing++;
			next;
		}
		read $socket, my $data, $1 + 2;
		<$socket>;
		die "client $client: key $k has another value"
		    if $data ne value($client, $k) . "end\r\n";
		$found++;
		$bytes += length $data;
	}
	return "$found keys, $bytes bytes, $missing missing";
}

sub load
{
	my @children;
	for my $client (1 .. 8) {
		my $pid = open(my $pipe, '-|') // die "fork: $!";
		if (!$pid) {
			write_keys($client);
			print "client $client: ", read_keys($client), "\n";
			exit 0;
		}
		push @children, $pipe;
	}
	for my $pipe (@children) {
		print <$pipe>;
		close $pipe or die "client failed: $?";
	}
	print "shared: ", ask(client(), "get shared:7\r\n", 3);
}

if ($command eq 'ping') {
	ask(client(), "version\r\n", 1) =~ /^VERSION/ or exit 1;
} else {
	load();
}
