# Answers probes about trust for containers from their node, as the observation script would inside, by reading their file
# systems from outside; or makes changes that are files and links only. It starts no process inside, and runs and loads no
# file of a container. A container that needs more is left out: the controller asks or changes it from inside.
# Arguments: `look` VMID=GROUP...; or `change` VMID=WORD,WORD,..., where the words are those of the store's `settle`.
# Containers with the same probes share one of @groups, whose `names` are the anchors that they should hold.
# The controller assigns the `our` variables in front of this file.
use strict;
use Fcntl qw(:flock);
use File::Glob qw(bsd_glob);
use IO::Handle;
our (@groups, @others, @readers, $named, $registration, $store_program, %texts, $mark, $lock_file, $from_outside);
our $workers = 4;

# uuencode has the same bits in other letters; perl-base has no MIME::Base64.
sub base64 {
    my ($missing, $text) = (-length($_[0]) % 3, pack "u", $_[0]);
    $text =~ s/^.//mg;
    $text =~ tr/` -_\n/AA-Za-z0-9+\//d;
    substr($text, -$missing) = "=" x $missing if $missing;
    $text;
}

# The first process of a container, found by its control group (cgroup v1 or v2, LXC's name or Proxmox's).
sub init_pid {
    for (bsd_glob("/sys/fs/cgroup/{,systemd/,unified/}lxc{/,.payload.}$_[0]/{,ns/}{init.scope/,}cgroup.procs")) {
        open(my $pids, "<", $_) or next;
        for my $pid (map { /(\d+)/ } <$pids>) {
            open(my $status, "<", "/proc/$pid/status") or next;
            return $pid if grep { /^NSpid:\s+\d+\s+1$/ } <$status>;
        }
    }
    return undef;
}

sub content { open(my $in, "<", $_[0]) or return; local $/; my $text = <$in>; defined $text ? $text : "" }

sub stat_line {
    my ($path, $root) = @_;
    my @stat = lstat $path or return "";
    my $type = -l _ ? "symbolic link" : -d _ ? "directory" : -f _ ? "regular " . (-s _ ? "" : "empty ") . "file" : die "$path is none of these\n";
    my $owner = $stat[4] == $root && $stat[5] == $root ? "root:root" : "$stat[4]:$stat[5]";
    sprintf "\@stat|%s|%o|%s|%d|%d|%s\n", $type, $stat[2] & 07777, $owner, @stat[7, 9], $path;
}

sub names_it {
    map { -d $_ && !-l $_ ? names_it($_) : -f $_ && index(content($_), $named) >= 0 ? 1 : () } bsd_glob("$_[0]/*");
}

sub told { my ($unit, $folder) = @_; -l "/run/systemd/units/invocation:$unit" && (!$folder || names_it($folder)) }

# Compiled once, for every container.
{ local @ARGV; eval "$store_program; 1" or die $@ }

sub answer {
    my ($group) = @_;
    my $root = (lstat "/")[4];
    die "there is another store\n" if grep { -e $_ || -l $_ } map { bsd_glob($_) } @others;
    my $told = join "", map { "$_->[0]\n" } grep { told(@$_) } @readers;
    $told .= "$registration->[0]\n" if -e $registration->[1];
    return join "",
        (map { stat_line($_, $root) } @{ $group->{files} }),
        (map { -f $_ ? "\@content|" . base64(content($_)) . "|$_\n" : "" } @{ $group->{files} }),
        (map { -e $_ || -l $_ ? "\@listing|$_|$_\n" : "" } @{ $group->{listings} }),
        "\@command||other stores\n\@command|", base64($told), "|readers of anchors\n",
        "\@command|", base64(join "", look(@{ $group->{names} })), "|$group->{asked}\n";
}

# Reading needs no process for each container: a directory that was opened before leads back out of a root.
opendir(my $home, "/") or die "/: $!\n";

sub look_into {
    my ($pid, $group) = @_;
    local $SIG{ALRM} = sub { die "no answer\n" };
    chroot "/proc/$pid/root" and chdir "/" or return undef;
    my $said = eval { alarm 10; answer($group) };
    alarm 0;
    chdir $home and chroot "." or exit 1;
    $said;
}

# The output of a child that enters a container's root and stays there; undefined if it failed.
sub change_in {
    my ($pid, @words) = @_;
    my $child = open(my $said, "-|");
    if (defined $child && !$child) {
        alarm 10;
        chroot "/proc/$pid/root" and chdir "/" or exit 1;
        change(@words);
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
    closedir $home;
    umask 022;
}

sub folder { my $path = ""; for (grep { $_ } split m{/}, $_[0]) { $path .= "/$_"; mkdir $path or -d $path or die "$path: $!\n" } }

sub put {
    my ($path, $text, $lasting) = @_;
    my ($folder, $name) = $path =~ m{(.*)/(.*)};
    my $new = "$folder/.$name.phoenix-new";
    folder($folder);
    unlink $new;
    open(my $out, ">", $new) or die "$new: $!\n";
    chmod 0644, $new and print $out $text and $out->flush and (!$lasting || $out->sync) and close $out and rename $new, $path
        or die "$path: $!\n";
}

# The same steps as the script inside: one run at a time, a mark from beginning to end, files before links.
sub change {
    my @words = @_;
    become_root_of_it();
    exit 1 if -e "/sbin/restorecon" || bsd_glob("/etc/ca-certificates/update.d/*");
    folder($lock_file =~ m{(.*)/});
    open(my $lock, ">>", $lock_file) or exit 1;
    flock $lock, LOCK_EX | LOCK_NB or exit 1;
    my @gone = map { /^-(.*)/ ? $1 : () } @words;
    put($mark, "@gone\n");
    put($_, $texts{$_}, "lasting") for sort keys %texts;
    unlink "/usr/local/share/ca-certificates/$_.crt" for @gone;
    settle(@words);
    unlink $mark;
    print "done";
}

my $verb = shift @ARGV;
$from_outside = $verb eq "change";

sub serve {
    my ($vmid, $words) = split /=/, $_[0], 2;
    my $pid = init_pid($vmid) or return undef;
    $from_outside ? change_in($pid, split /,/, $words) : look_into($pid, $groups[$words]);
}

my @workers;
for my $number (0 .. $workers - 1) {
    my $child = open(my $said, "-|");
    if (!$child) {
        @INC = ();    # a module that is loaded later would be a container's
        for my $word (map { $ARGV[$_] } grep { $_ % $workers == $number } 0 .. $#ARGV) {
            my $answer = serve($word);
            print $word =~ /^(\d+)/, "|", base64($answer), "\n" if $answer;
        }
        exit;
    }
    push @workers, $said;
}
for my $said (@workers) { print <$said> }
