# Observes which connections arrive at this host, until SIGTERM. It prints `ready`, and at its end a line
# `PROTOCOL SOURCE ADDRESS PORT` for each kind of packet that opens a connection. `complete` follows if it missed none and
# ended by SIGTERM, which is after the last attempt.
# Arguments: where to observe, `interface` (before this host's own filter) or `socket` (behind it); after how many
# seconds to end without a signal; the UDP ports to observe. Only Debian's perl-base is needed. It opens no port.
use strict;
use Errno qw(EAGAIN EINTR);
use Fcntl;
use Socket;

# linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h
use constant { PF_PACKET => 17, ETH_P_IP => 0x0800, SOL_PACKET => 263, PACKET_STATISTICS => 6 };
use constant { SO_ATTACH_FILTER => 26, SO_RCVBUFFORCE => 33, BUFFER => 1 << 22 };
use constant { TCP => 6, UDP => 17, SYN => 0x02, SYN_ACK => 0x12, FRAGMENT => 0x1fff };

my ($where, $seconds, @ports) = @ARGV;
my %names = (TCP, "tcp", UDP, "udp");
my %is_observed = map { $_ => 1 } @ports;
my ($stop, $missed, %seen);

# A program of the kernel (linux/filter.h) that passes the first fragment of a TCP packet with SYN alone, and of a UDP
# packet to one of the ports. The kernel drops all other packets, so that a busy host does not fill the buffer.
sub filter {
    my $left = @ports;
    my @program = (
        [0x28, 0, 0, 6],                  # ldh [6]
        [0x45, 8 + $left, 0, FRAGMENT],   # jset: reject
        [0xb1, 0, 0, 0],                  # ldx 4*([0]&0xf)
        [0x30, 0, 0, 9],                  # ldb [9]
        [0x15, 0, 3, TCP],                # jeq, else to UDP
        [0x50, 0, 0, 13],                 # ldb [x+13]
        [0x54, 0, 0, SYN_ACK],            # and
        [0x15, 3 + $left, 2 + $left, SYN],# jeq: accept, else reject
        [0x15, 0, 1 + $left, UDP],        # jeq, else reject
        [0x48, 0, 0, 2],                  # ldh [x+2]
        (map { [0x15, $left--, 0, $_] } @ports),
        [0x06, 0, 0, 0],                  # reject
        [0x06, 0, 0, 128],                # accept
    );
    return (scalar @program, join "", map { pack("SCCL", @$_) } @program);
}

sub observe {
    my ($family, $type, $protocol) = @_;
    socket(my $socket, $family, $type, $protocol) or die "socket: $!";
    my ($length, $program) = filter();
    setsockopt($socket, SOL_SOCKET, SO_ATTACH_FILTER, pack("S x![J] P", $length, $program)) or die "filter: $!";
    setsockopt($socket, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER);
    fcntl($socket, F_SETFL, O_NONBLOCK) or die "fcntl: $!";
    return $socket;
}

sub note {
    my ($packet) = @_;
    my ($start, $protocol, $from, $to) = unpack("C x8 C x2 a4 a4", $packet);
    my $header = 4 * ($start & 0xf);
    return if length $packet < $header + ($protocol == TCP ? 14 : 4);
    my $port = unpack("n", substr($packet, $header + 2, 2));
    return if $protocol == TCP && (ord(substr($packet, $header + 13, 1)) & SYN_ACK) != SYN;
    return if $protocol == UDP && !$is_observed{$port};
    $seen{"$names{$protocol} " . inet_ntoa($from) . " " . inet_ntoa($to) . " $port"} = 1 if $names{$protocol};
}

sub drain {
    my ($socket) = @_;
    while (1) {
        my $got = recv($socket, my $packet, 128, 0);
        note($packet), next if defined $got;
        return if $!{EAGAIN};
        $missed = 1, return unless $!{EINTR};
    }
}

my @sockets =
    $where eq "interface"
    ? observe(PF_PACKET, SOCK_DGRAM, unpack("S", pack("n", ETH_P_IP)))
    : map { observe(PF_INET, SOCK_RAW, $_) } (TCP, UDP);
$SIG{TERM} = sub { $stop = 1 };
$| = 1;
print "ready\n";
my $end = time + $seconds;
until ($stop || time > $end) {
    my $read = "";
    vec($read, fileno $_, 1) = 1 for @sockets;
    select($read, undef, undef, 0.1);
    drain($_) for @sockets;
}
drain($_) for @sockets;
if ($where eq "interface") {
    my (undef, $lost) = unpack("LL", getsockopt($sockets[0], SOL_PACKET, PACKET_STATISTICS));
    $missed = 1 if $lost;
}
print "$_\n" for sort keys %seen;
print "complete\n" if $stop && !$missed;
