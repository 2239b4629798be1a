#!/usr/bin/perl
# Asks each view for the node's own name, and restarts a server that runs and does not answer. systemd restarts one that
# has ended. Arguments: the name, then pairs of a unit and an address. Generated from the inventory; edits are undone.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

use constant { EVERY => 2, PATIENCE => 2, SILENT => 3 };    # seconds, seconds, questions in a row
my ($name, %server) = @ARGV;
my $question = pack('(C/a)*', split(/\./, $name), '') . pack('n2', 1, 1);    # its address
my %silence = map { $_ => 0 } keys %server;
my $number  = 0;

# Any answer counts (RFC 1035, section 4.1).
sub answers {
    my ($address) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => $address, PeerPort => 53, Proto => 'udp') or return 0;
    $number = ($number + 1) % 65536;
    $socket->send(pack('n6', $number, 0x0100, 1, 0, 0, 0) . $question) or return 0;
    return 0 unless IO::Select->new($socket)->can_read(PATIENCE);
    my $answer = '';
    return 0 unless defined $socket->recv($answer, 512) && length $answer >= 12;
    return unpack('n', $answer) == $number;
}

sub runs { return system('systemctl', 'is-active', '--quiet', $_[0]) == 0 }

while (1) {
    for my $unit (sort keys %server) {
        if (answers($server{$unit})) { $silence{$unit} = 0; next }
        next if ++$silence{$unit} < SILENT || !runs($unit);
        print STDERR "$unit runs and has not answered at $server{$unit} for ${\ SILENT} questions: restarting it\n";
        system('systemctl', 'restart', $unit);
        $silence{$unit} = 0;
    }
    sleep EVERY;
}
