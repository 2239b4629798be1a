# The system store of Debian's ca-certificates, as update-ca-certificates(8) --fresh leaves it, for our anchors only.
#   look NAME...     prints what is wrong with the wanted anchors, and which unwanted ones there are
#   settle WORD...   updates the store as the tool would; a word is +NAME.HASH for a new or changed anchor, =NAME.HASH for
#                    an unchanged one and -NAME for a removed one; HASH is the subject's, computed by the controller
# The anchor NAME is the file NAME.crt below $own. Only perl-base is needed.
use strict;
my ($conf, $shared) = ("/etc/ca-certificates.conf", "/usr/share/ca-certificates");
my ($own, $store, $hooks) = ("/usr/local/share/ca-certificates", "/etc/ssl/certs", "/etc/ca-certificates/update.d");
my $bundle = "$store/ca-certificates.crt";
my ($ours, $hashed) = (qr/^phoenix_ca(_[0-9a-f]{8})?$/, qr/^[0-9a-f]{8}\.[0-9]+$/);

sub slurp { open(my $in, "<", $_[0]) or return ""; local $/; my $text = <$in>; defined $text ? $text : "" }
sub entries { opendir(my $dir, $_[0]) or return (); grep { !/^\.\.?$/ } readdir $dir }
sub below { map { my $path = "$_[0]/$_"; -d $path ? below($path) : /\.crt$/ && -f _ ? $path : () } entries($_[0]) }
sub pem { my ($name) = $_[0] =~ m{([^/]*)$}; $name =~ s/(.)\.crt$/$1/; $name =~ tr/ (),/_==_/; "$name.pem" }

# The present state: the certificates of the store in their order, and the links.
my (@lines, %sizes, @certs, %links, %hashes);

sub read_store {
    my ($verb) = @_;
    @lines = split /\n/, slurp($conf);
    %sizes = ();    # of the list's certificates, known from asking whether they are files
    @certs = ((grep { -f && defined($sizes{$_} = -s _ || 0) } map { "$shared/$_" } grep { !/^$|^[#!]/ } @lines), sort { $a cmp $b } below($own));
    # `look` needs only hash links and ours: reading the others takes a third of its time.
    my @read = grep { $verb ne "look" || /$hashed/ || is_ours($_) } entries($store);
    %links = map { my $to = readlink "$store/$_"; defined $to ? ($_ => $to) : () } @read;
    %hashes = ();
    for (grep { /$hashed/ } sort keys %links) { push @{ $hashes{$links{$_}} }, $_ }
}

sub is_ours { $_[0] =~ /^(.*)\.pem$/ && $1 =~ $ours }
sub expected { join "", map { my $text = slurp($_); $text =~ /[^\n]\z/ ? "$text\n" : $text } @certs }

sub look {
    read_store("look");
    my %wanted = map { $_ => 1 } @_;
    my ($text, @wrong) = (slurp($bundle));
    for my $name (@_) {
        my $anchor = slurp("$own/$name.crt");
        my $times = () = $anchor ? $text =~ /\Q$anchor\E/g : ();    # an empty text would be found everywhere
        push @wrong, "link $name" if ($links{"$name.pem"} || "") ne "$own/$name.crt";
        push @wrong, "bundle $name" if !$anchor || !$times;
        push @wrong, "hash $name" if !$hashes{"$name.pem"} && $times < 2;    # a second copy has the only hash link
    }
    my %seen = map { s/\.(pem|crt)$//r => 1 } (keys %links, entries($own));
    push @wrong, map { "stale $_" } grep { $_ =~ $ours && !$wanted{$_} } sort keys %seen;
    my $length = 0;
    $length += $sizes{$_} // -s for @certs;
    push @wrong, "length" if @_ && $length != length $text && length(expected()) != length $text;
    return map { "$_\n" } @wrong;
}

# True if all except our anchors is as the tool leaves it, so that only they must be changed.
sub is_expected {
    my %listed = map { pem($_) => $_ } @certs;
    for my $name (grep { !is_ours($_) } keys %listed) { return 0 if ($links{$name} || "") ne $listed{$name} }
    for (grep { s/^!// } map { $_ } @lines) { return 0 if exists $links{pem($_)} }
    for my $name (grep { !is_ours($_) } keys %links) {
        next if $name =~ $hashed && (is_ours($links{$name}) || $listed{ $links{$name} });
        return 0 if !$listed{$name} && !-e "$store/$name";    # targets of listed ones were checked with the list
        return 0 if $links{$name} =~ m{^(\Q$shared\E|\Q$own\E)} && !$listed{$name};
    }
    for my $name (grep { /\.(pem|crt|cer|crl)$/ && !is_ours($_) && ($listed{$_} || -f "$store/$_") } entries($store)) {
        return 0 if $name ne "ca-certificates.crt" && @{ $hashes{$name} || [] } != 1;
    }
    -s $bundle && in_order();
}

# True if other certificates that share a hash are numbered by name, as the tool numbers them from scratch.
sub in_order {
    my %targets;
    my @foreign = grep { /$hashed/ && !is_ours($links{$_}) } keys %links;
    for (sort @foreign) { push @{ $targets{ substr $_, 0, 8 } }, $links{$_} }
    for my $hash (keys %targets) {
        my @names = @{ $targets{$hash} };
        return 0 if "@names" ne "@{[sort @names]}" || !$links{"$hash.$#names"};
    }
    1;
}

sub hash_links {
    my ($subjects, @anchors) = @_;
    my (%wanted, %count);
    for my $name (sort map { "$_.pem" } @anchors) {
        my $hash = $subjects->{$name};
        $wanted{ $hash . "." . ($count{$hash}++ || 0) } = $name;
    }
    return %wanted;
}

sub link_to {
    my ($to, $new, $name) = ($_[0], "$store/.phoenix-link", "$store/$_[1]");
    unlink $new;
    symlink($to, $new) && rename($new, $name) or die "$name: $!\n";
}

sub write_bundle {
    open(my $out, ">", "$bundle.new") or die "$bundle.new: $!\n";
    print $out expected() and close $out and chmod 0644, "$bundle.new" or die "$bundle.new: $!\n";
    rename("$bundle.new", $bundle) or die "$bundle: $!\n";
    system("/sbin/restorecon", $bundle) if -x "/sbin/restorecon";
}

sub tell_hooks {
    my @told = @_;
    return if $main::from_outside;    # there are no hooks in such a container
    chdir $store;
    for my $hook (split /\n/, entries($hooks) ? qx(run-parts --test -- $hooks) : "") {
        # Through the shell's pipe, because a hook may ignore its input.
        system "sh", "-c", 'hook=$1; shift; { [ $# = 0 ] || printf "%s\n" "$@"; } | "$hook"', "sh", $hook, @told;
        die "$hook ended with " . ($? >> 8) . "\n" if $?;
    }
}

sub by_the_tool {
    die "only the distribution's own tool can do that\n" if $main::from_outside;
    unlink "$bundle.new";    # the tool would append to the rest of a killed one
    my $said = qx(timeout 120 update-ca-certificates --fresh 2>&1);
    print $said;
    die "update-ca-certificates failed\n" if $? || $said =~ /^E: /m;
    tell_hooks(@_) if @_;
}

sub settle {
    read_store("settle");
    my (@new, @gone, @same, %subjects);
    for (@_) {
        my ($name, $hash) = split /\./, substr $_, 1;
        $subjects{"$name.pem"} = $hash;
        push @{ /^\+/ ? \@new : /^-/ ? \@gone : \@same }, $name;
    }
    my @wanted = (@new, @same);
    my @minus = map { "-$store/$_.pem" } sort @gone;
    my %hash = hash_links(\%subjects, @wanted);
    my %shared = map { substr($_, 0, 8) => 1 } grep { /$hashed/ && !is_ours($links{$_}) } keys %links;
    return by_the_tool(@minus) if grep({ $shared{ substr $_, 0, 8 } } keys %hash) || !is_expected();
    my %new = map { $_ => 1 } @new, grep { ($links{"$_.pem"} || "") ne "$own/$_.crt" } @wanted;
    my %wanted = (%hash, map { ("$_.pem" => "$own/$_.crt") } @wanted);
    for (sort keys %wanted) { link_to($wanted{$_}, $_) if ($links{$_} || "") ne $wanted{$_} }
    for (keys %links) { unlink "$store/$_" if !$wanted{$_} && (is_ours($_) || /$hashed/ && is_ours($links{$_})) }
    write_bundle();
    tell_hooks((map { "+$store/$_.pem" } sort keys %new), @minus);
}

my ($verb, @words) = @ARGV;
if (defined $verb) { $verb eq "look" ? print look(@words) : settle(@words) }
