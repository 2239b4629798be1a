# Tries connections from the host that it runs on. A line of input is `PROTOCOL ADDRESS PORT`; a line of output is the
# same with the result: open, refused, dropped (no answer within the limit) or unreachable. Arguments: that limit in
# seconds, and how many attempts to make at the same time. Only Debian's perl-base is needed.
use strict;
use Errno qw(EINPROGRESS ECONNREFUSED EAGAIN);
use Fcntl;
use Socket;

my ($limit, $at_once) = splice(@ARGV, 0, 2);
my @asked = map { [split] } <STDIN>;

# Requests that a UDP service answers: for the root's name servers (RFC 1035), and for the time (RFC 5905).
my %asks = (
    53  => pack("n6Cn2", 7, 0x0100, 1, 0, 0, 0, 0, 2, 1),
    123 => pack("Cx47", 0x1b),
);

sub begin {
    my ($one) = @_;
    my ($proto, $address, $port) = @$one;
    my $udp = $proto eq "udp";
    socket(my $socket, PF_INET, $udp ? SOCK_DGRAM : SOCK_STREAM, 0) or die "socket: $!";
    fcntl($socket, F_SETFL, O_NONBLOCK);
    my $connected = connect($socket, pack_sockaddr_in($port, inet_aton($address)));
    return ($socket, $udp ? "read" : "write") if $udp && $connected && defined send($socket, $asks{$port} // "\0", 0);
    return ($socket, "write") if !$udp && ($connected || $!{EINPROGRESS});
    say_of($one, $!{ECONNREFUSED} ? "refused" : "unreachable");
    return ();
}

sub say_of { my ($one, $result) = @_; print "@$one $result\n"; }

sub result_of {
    my ($socket, $kind) = @_;
    if ($kind eq "read") {
        my $got = recv($socket, my $answer, 512, 0);
        return defined $got ? "open" : $!{EAGAIN} ? undef : $!{ECONNREFUSED} ? "refused" : "unreachable";
    }
    my $error = unpack("i", getsockopt($socket, SOL_SOCKET, SO_ERROR));
    return $error == 0 ? "open" : $error == ECONNREFUSED ? "refused" : "unreachable";
}

while (my @batch = splice(@asked, 0, $at_once)) {
    my %open;
    for my $one (@batch) {
        my ($socket, $kind) = begin($one) or next;
        $open{fileno $socket} = [$one, $socket, $kind];
    }
    my $left = $limit;
    while (%open && $left > 0) {
        my ($read, $write) = ("", "");
        for my $number (keys %open) {
            vec($open{$number}[2] eq "read" ? $read : $write, $number, 1) = 1;
        }
        (my $found, $left) = select(my $readable = $read, my $writable = $write, undef, $left);
        last if $found <= 0;
        for my $number (keys %open) {
            my ($one, $socket, $kind) = @{ $open{$number} };
            next unless vec($kind eq "read" ? $readable : $writable, $number, 1);
            my $result = result_of($socket, $kind) // next;
            say_of($one, $result);
            delete $open{$number};
        }
    }
    say_of($_->[0], "dropped") for values %open;
}
