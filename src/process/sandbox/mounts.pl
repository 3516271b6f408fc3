# Arranges the files of a mount namespace, for the programs that follow in it.
#
# Arguments of arrange_files: architecture; words of a letter and a path.
#   n         only what the other words name exists
#   a PATH    the links on this path exist
#   r PATH    exists, and is read-only
#   w PATH    exists as it is
#   e PATH    is an empty directory, but for words with longer paths
#   m PATH    is an empty directory for all users
#   t PATH    is a directory with terminals of its own
# A path that does not exist, or contains a link, is left out. Other users of the
# machine can move files at any time, so each path is opened once, without links.

my ($is_new, @links, @attached, @frozen);
# A system call needs strings in variables.
my $none = "";

sub arrange_files {
  my ($architecture, @words) = @_;
  # Exists in any case, if only as an empty directory.
  my $directory = readlink "/proc/self/cwd";
  my @steps;
  for (@words) {
    my ($kind, $path) = /^(.)(.*)$/s;
    if ($kind eq "n") { $is_new = 1 }
    elsif ($kind eq "a") { note_links($path) }
    else { push @steps, prepare($kind, $path) }
  }
  # Where the new root is put together; relative paths lead below it.
  my $base = $is_new ? "/proc" : "/";
  if ($is_new) {
    my $root = tmpfs("0755");
    push @frozen, $root;
    attach($root, $base);
  }
  chdir $base or fail("/");
  make_link(@$_) for @links;
  make_parents(relative("$directory/")) if $is_new;
  # A directory is attached before what is in it.
  for my $step (sort { length $a->{path} <=> length $b->{path} } @steps) {
    my $target = relative($step->{path});
    make_target($step) if openat2($target) < 0;
    attach($step->{mount}, $target);
    chdir $base if $target eq ".";
    push @attached, $step;
    own_terminals($target) if $step->{kind} eq "t";
  }
  freeze($_, 0) for @frozen;
  change_root($architecture) if $is_new;
}

sub change_root {
  my ($architecture) = @_;
  my ($umount, $pivot) = $architecture eq "x86_64" ? (166, 155) : (39, 41);
  my $here = ".";
  syscall($pivot, $here, $here) == 0 && syscall($umount, $here, 2) == 0 && chdir "/" or fail("/");
}

sub prepare {
  my ($kind, $path) = @_;
  my $file = openat2($path);
  if ($file < 0 && $kind !~ /[mt]/) {
    # It is not there, a link, or out of reach for the command as well.
    fail($path) unless grep { $! == $_ } 2, 13, 20, 40;
    return;
  }
  my $mount = $kind eq "m" ? tmpfs("1777")
    : $kind eq "t" ? filesystem("devpts", 0xA, mode => "0620", ptmxmode => "0666")
    : $kind eq "e" ? tmpfs("0755")
    # A copy of the mount, with the mounts below it.
    : syscall(428, $file, $none, 0x89001);
  fail($path) if $mount < 0;
  freeze($mount, 0x8000) if $kind eq "r";
  push @frozen, $mount if $kind eq "e";
  my $is_directory = $kind !~ /[rw]/ || -d $path;
  return { kind => $kind, path => $path, mount => $mount, is_directory => $is_directory };
}

# Creates what another mount is attached to, but not in a directory of others.
sub make_target {
  my ($step) = @_;
  my ($above) = grep { index("$step->{path}/", $_->{path} eq "/" ? "/" : "$_->{path}/") == 0 } reverse @attached;
  fail($step->{path}) if $above ? $above->{kind} !~ /[em]/ : !$is_new;
  my $path = relative($step->{path});
  make_parents($path);
  if ($step->{is_directory}) { mkdir $path, 0755 }
  elsif (open my $file, ">>", $path) { close $file }
}

sub make_parents {
  my ($path) = @_;
  mkdir substr($path, 0, pos($path) - 1), 0755 while $path =~ m{/}g;
}

sub make_link {
  my ($path, $target) = @_;
  make_parents(relative($path));
  symlink $target, relative($path);
}

# Terminals of the machine are opened by /dev/ptmx, the own ones by its namesake.
sub own_terminals {
  my ($directory) = @_;
  my ($ptmx) = $directory =~ m{^(.*)/} ? "$1/ptmx" : "ptmx";
  return if symlink "pts/ptmx", $ptmx;
  my $own = "$directory/ptmx";
  my $mount = syscall 428, -100, $own, 0x80001;
  fail("/$ptmx") if $mount < 0;
  attach($mount, $ptmx);
}

sub note_links {
  my ($path) = @_;
  my ($at, $count, @rest) = ("", 0, split m{/}, $path);
  while (@rest) {
    my $part = shift @rest;
    next if $part eq "" || $part eq ".";
    if ($part eq "..") { $at =~ s{/[^/]*$}{}; next }
    my $target = readlink "$at/$part";
    if (!defined $target) { $at .= "/$part"; next }
    return if ++$count > 40;
    push @links, ["$at/$part", $target];
    $at = "" if $target =~ m{^/};
    unshift @rest, split m{/}, $target;
  }
}

sub relative {
  my ($path) = @_;
  $path =~ s{^/+}{};
  return $path eq "" ? "." : $path;
}

# Opens a path that contains no link; returns a negative number if there is none.
sub openat2 {
  my ($path) = @_;
  my $how = pack "QQQ", 0x280000, 0, 6;
  return syscall 437, -100, $path, $how, 24;
}

sub attach {
  my ($mount, $path) = @_;
  my $target = openat2($path);
  fail($path) if $target < 0 || syscall(429, $mount, $none, $target, $none, 0x44) != 0;
}

# Makes a mount read-only, with those below it if flags say so.
sub freeze {
  my ($mount, $flags) = @_;
  my $attributes = pack "QQQQ", 1, 0, 0, 0;
  fail("/") if syscall(442, $mount, $none, 0x1000 | $flags, $attributes, 32) != 0;
}

sub tmpfs {
  my ($mode) = @_;
  return filesystem("tmpfs", 6, mode => $mode);
}

sub filesystem {
  my ($type, $attributes, %options) = @_;
  my $context = syscall 430, $type, 1;
  return $context if $context < 0;
  for my $name (keys %options) { syscall 431, $context, 1, $name, $options{$name}, 0 }
  syscall(431, $context, 6, 0, 0, 0) == 0 or return -1;
  return syscall 432, $context, 1, $attributes;
}

sub fail {
  my ($path) = @_;
  print STDERR "Cannot protect \"$path\" from the command: $!\n";
  exit 126;
}
