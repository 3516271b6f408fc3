# Arranges the files of a mount namespace, for the programs that follow in it.
#
# More letters of words, each path before what is in it (see confine.pl):
#   n        only what the other words name exists
#   > PATH   where the next link leads
#   l PATH   a link
#   b PATH   exists as it is
#   r PATH   exists, and is read-only
#   e PATH   is an empty directory, but for paths in it
#   m PATH   is an empty directory for all users
#   t PATH   is a directory with terminals of its own
#   x PATH   opens these terminals, unless it is a link
#   P PATH   path in /proc, for its access alone
# With a capital letter, what it is attached to is created. A path that does not
# exist, or contains a link, is left out. Other users of the machine can move files
# at any time, so each path is opened once, without links.

my ($is_new, $link_target, @links, @mounts, @frozen, @processes, %made);

sub mount_path {
  my ($kind, $access, $path) = @_;
  my ($type, $file, $mount) = lc $kind;
  if ($kind =~ /[rbe]/i) {
    $file = open_path($path, 6);
    if ($file < 0) {
      # It is not there, a link, or out of reach for the command as well.
      grep { $! == $_ } 2, 13, 20, 40 or fail($path);
      return;
    }
    # A copy of the mount, with the mounts below it.
    $mount = $type eq "e" ? filesystem("tmpfs", 6, mode => "0755") : syscall 428, $file, $none, 0x89001;
  }
  elsif ($type eq "m") { $mount = filesystem("tmpfs", 6, mode => "1777") }
  elsif ($type eq "t") { $mount = filesystem("devpts", 0xA, mode => "0620", ptmxmode => "0666") }
  elsif ($kind eq "n") { return $is_new = 1 }
  elsif ($kind eq ">") { return $link_target = $path }
  elsif ($kind eq "l") { return push @links, $link_target, $path }
  elsif ($kind eq "P") { return push @processes, $path, $access }
  fail($path) if defined $mount && $mount < 0;
  allow(defined $file ? $file : $mount, $access) if $access;
  freeze($mount, 0x8000) if $type eq "r";
  push @frozen, $mount if $type eq "e";
  push @mounts, [$kind, $path, $mount, !defined $file || -d $path];
}

# Attaches everything, given the directory of the command, which exists in any case.
sub attach_mounts {
  my ($directory) = @_;
  # Where the new root is put together; relative paths lead below it.
  my $base = $is_new ? "/proc" : "/";
  if ($is_new) {
    push @frozen, filesystem("tmpfs", 6, mode => "0755");
    attach($frozen[-1], $base);
  }
  chdir $base or fail("/");
  while (my ($target, $path) = splice @links, 0, 2) {
    make_directory($path =~ m{(.*)/}s);
    symlink $target, ".$path";
  }
  if ($is_new) { make_directory($_) for $directory, "/proc" }
  for (@mounts) {
    my ($kind, $path, $mount, $is_directory) = @$_;
    my ($target, $own) = (".$path", "./dev/pts/ptmx");
    if ($kind eq "x") {
      next if -l $target;
      $mount = syscall 428, -100, $own, 0x80001;
    } elsif ($kind lt "a") {
      make_directory($is_directory ? $path : $path =~ m{(.*)/}s);
      $is_directory or sysopen my $file, $target, 0x41;
    }
    attach($mount, $target);
    chdir $base if $path eq "/";
  }
}

# Shows the processes of this PID namespace, and leaves the old root.
sub finish_mounts {
  my ($mount, $umount, $pivot) = $is_x86 ? (165, 166, 155) : (40, 39, 41);
  my ($proc, $here) = ("proc", ".");
  my $target = $is_new ? "./proc" : "/proc";
  syscall($mount, $proc, $target, $proc, 0xE, 0) == 0 or fail("/proc");
  while (my ($path, $access) = splice @processes, 0, 2) {
    allow(open_path($is_new ? ".$path" : $path, 6), $access);
  }
  freeze($_, 0) for @frozen;
  return unless $is_new;
  syscall($pivot, $here, $here) == 0 && syscall($umount, $here, 2) == 0 && chdir "/" or fail("/");
}

sub make_directory {
  my $at = ".";
  $made{$at .= "/$_"}++ or mkdir $at, 0755 for split m{/+}, $_[0];
}

sub attach {
  my ($mount, $path) = @_;
  my $target = open_path($path, 6);
  fail($path) if $target < 0 || syscall(429, $mount, $none, $target, $none, 0x44) != 0;
}

# Makes a mount read-only, with those below it if flags say so.
sub freeze {
  my ($mount, $flags) = @_;
  my $attributes = pack "QQQQ", 1, 0, 0, 0;
  syscall(442, $mount, $none, 0x1000 | $flags, $attributes, 32) == 0 or fail("/");
}

sub filesystem {
  my ($type, $attributes, @options) = @_;
  my $context = syscall 430, $type, 1;
  return $context if $context < 0;
  while (my ($name, $value) = splice @options, 0, 2) { syscall 431, $context, 1, $name, $value, 0 }
  syscall 431, $context, 6, 0, 0, 0;
  return syscall 432, $context, 1, $attributes;
}

sub fail {
  give_up(qq(protect "$_[0]" from the command));
}
