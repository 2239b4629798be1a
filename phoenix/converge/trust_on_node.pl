# Answers containers' questions about trust from their node, in the form of the observation script, by looking through
# their roots from outside, or makes changes that are files and links only: no process is started inside, and nothing of a
# container is run or loaded. A container with more to it is left out, and served from inside.
# Words: `look` NAME,NAME,... of the wanted anchors, VMID...; or `change` VMID=WORD,WORD,... of the store's `settle`.
use strict;
use Fcntl qw(:flock);
use File::Glob qw(bsd_glob);
use IO::Handle;
our (@files, @listings, @others, @readers, $named, $registration, $asked, $look, %texts, $mark, $from_outside);

# uuencode has the same bits in other letters; perl-base has no MIME::Base64.
sub base64 {
    my ($missing, $text) = (-length($_[0]) % 3, pack "u", $_[0]);
    $text =~ s/^.//mg;
    $text =~ tr/` -_\n/AA-Za-z0-9+\//d;
    substr($text, -$missing) = "=" x $missing if $missing;
    $text;
}

sub init_pids {
    my %pids;
    for my $pid (map { m{(\d+)$} } glob "/proc/[0-9]*") {
        open(my $groups, "<", "/proc/$pid/cgroup") or next;
        my ($vmid) = map { m{/lxc(?:\.payload\.|/)(\d+)(?:/|$)} } <$groups> or next;
        open(my $status, "<", "/proc/$pid/status") or next;
        $pids{$vmid} = $pid if grep { /^NSpid:\s+\d+\s+1$/ } <$status>;
    }
    return %pids;
}

sub content { open(my $in, "<", $_[0]) or return; local $/; my $text = <$in>; defined $text ? $text : "" }

sub stat_line {
    my ($path, $root) = @_;
    my @stat = lstat $path or return "";
    my $type = -l _ ? "symbolic link" : -d _ ? "directory" : -f _ ? "regular " . (-s _ ? "" : "empty ") . "file" : exit;
    my $owner = $stat[4] == $root && $stat[5] == $root ? "root:root" : "$stat[4]:$stat[5]";
    sprintf "\@stat|%s|%o|%s|%d|%d|%s\n", $type, $stat[2] & 07777, $owner, @stat[7, 9], $path;
}

sub names_it {
    map { -d $_ && !-l $_ ? names_it($_) : -f $_ && index(content($_), $named) >= 0 ? 1 : () } bsd_glob("$_[0]/*");
}

sub told { my ($unit, $folder) = @_; -l "/run/systemd/units/invocation:$unit" && (!$folder || names_it($folder)) }

# Compiled once, for every container: a child runs it at most once, so that its variables are its own.
eval "sub look_at_store {\n$look\n} 1" or die $@;

sub answer {
    my ($root, @names) = ((lstat "/")[4], @_);
    exit if grep { -e $_ || -l $_ } map { bsd_glob($_) } @others;
    print map { stat_line($_, $root) } @files;
    print map { -f $_ ? "\@content|" . base64(content($_)) . "|$_\n" : "" } @files;
    print map { -e $_ || -l $_ ? "\@listing|$_|$_\n" : "" } @listings;
    my $told = join "", map { "$_->[0]\n" } grep { told(@$_) } @readers;
    $told .= "$registration->[0]\n" if -e $registration->[1];
    print "\@command||other stores\n\@command|", base64($told), "|readers of anchors\n\@look\n";
    @ARGV = ("look", @names);
    look_at_store();
}

sub look_into {
    my ($pid, @names) = @_;
    my $said = in_root($pid, sub { answer(@names) });
    my ($lines, $wrong) = split /^\@look\n/m, ($said // ""), 2;
    defined $wrong ? $lines . "\@command|" . base64($wrong) . "|$asked\n" : undef;
}

# What a child says that is in a container's root; nothing if it did not come to its end.
sub in_root {
    my ($pid, $work) = @_;
    my $child = open(my $said, "-|");
    if (defined $child && !$child) {
        @INC = ();    # what is not loaded yet would be the container's
        alarm 10;
        chroot "/proc/$pid/root" and chdir "/" or exit 1;
        $work->();
        exit;
    }
    local $/;
    my $text = <$said> // "";
    close($said) ? $text : undef;
}

sub become_root_of_it {
    my ($uid, $gid) = (lstat "/")[4, 5];
    ($(, $)) = ($gid, "$gid $gid");
    ($<, $>) = ($uid, $uid);
    exit 1 if $< != $uid || $> != $uid || $( != $gid || $) != $gid;
    umask 022;
}

sub folder { my $path = ""; for (grep { $_ } split m{/}, $_[0]) { $path .= "/$_"; mkdir $path or -d $path or die "$path: $!\n" } }

sub put {
    my ($path, $text) = @_;
    my ($folder, $name) = $path =~ m{(.*)/(.*)};
    my $new = "$folder/.$name.phoenix-new";
    folder($folder);
    unlink $new;
    open(my $out, ">", $new) or die "$new: $!\n";
    chmod 0644, $new and print $out $text and $out->flush and $out->sync and close $out and rename $new, $path
        or die "$path: $!\n";
}

# As the script does inside: one at a time, a mark from beginning to end, files before links.
sub change {
    my @words = @_;
    become_root_of_it();
    exit 1 if -e "/sbin/restorecon" || bsd_glob("/etc/ca-certificates/update.d/*");
    folder("/run/lock");
    open(my $lock, ">>", "/run/lock/phoenix") or exit 1;
    flock $lock, LOCK_EX | LOCK_NB or exit 1;
    my @gone = map { /^-(.*)/ ? $1 : () } @words;
    put($mark, "@gone\n");
    put($_, $texts{$_}) for sort keys %texts;
    unlink "/usr/local/share/ca-certificates/$_.crt" for @gone;
    @ARGV = ("settle", @words);
    look_at_store();
    unlink $mark;
    print "done";
}

my %pids = init_pids();
my $verb = shift @ARGV;
$from_outside = $verb eq "change";
my @names = $from_outside ? () : grep { $_ ne "-" } split /,/, shift @ARGV;

sub serve {
    my ($vmid, $words) = split /=/, $_[0], 2;
    my $pid = $pids{$vmid} or return undef;
    $from_outside ? in_root($pid, sub { change(split /,/, $words) }) : look_into($pid, @names);
}

my ($workers, @workers) = (4);
for my $number (0 .. $workers - 1) {
    my $child = open(my $said, "-|");
    if (!$child) {
        for my $word (map { $ARGV[$_] } grep { $_ % $workers == $number } 0 .. $#ARGV) {
            my $answer = serve($word);
            print $word =~ /^(\d+)/, "|", base64($answer), "\n" if $answer;
        }
        exit;
    }
    push @workers, $said;
}
for my $said (@workers) { print <$said> }
