# Mounts the file systems of a mount namespace for the programs that run in it.
#
# More letters of words (see confine.pl); a directory comes before paths in it:
#   n        only what the other words name exists, and the directory of the command
#   > PATH   target of the next link
#   l PATH   a link
#   o PATH   opens a directory for a later word, before another one hides it
#   b PATH   exists as it is
#   r PATH   exists, and is read-only
#   e PATH   is an empty directory, except for paths in it
#   m PATH   is an empty directory for all users
#   t PATH   is a directory with its own terminals
#   x PATH   opens these terminals, unless it is a link
#   P PATH   path in /proc, for its access alone
# A capital letter also creates the mount point. A path that does not exist, or
# contains a link, is skipped. Other users of the machine can move files
# at any time, so each path is opened once, without links.

my $directory = readlink "/proc/self/cwd";
my ($target, %opened, @empty, @processes, %made);
# Directory in which the new root is built; paths are relative to it.
my $base = "/";

my %new = (
  e => ["tmpfs", 6, mode => "0755"],
  m => ["tmpfs", 6, mode => "1777"],
  t => ["devpts", 0xA, mode => "0620", ptmxmode => "0666"],
);

sub apply_word {
  my ($kind, $access, $path) = @_;
  my $type = lc $kind;
  if ($type eq ">") { $target = $path }
  elsif ($type eq "l") {
    make_parent($path);
    symlink $target, ".$path";
  }
  elsif ($type eq "p") { push @processes, $path, $access }
  elsif ($type eq "x") {
    return if -l ".$path";
    my $own = "./dev/pts/ptmx";
    my $mount = syscall 428, -100, $own, 0x80001;
    allow($mount, $access);
    attach($mount, $path);
  }
  elsif ($type eq "n") {
    attach(filesystem("e"), "/proc");
    chdir($base = "/proc") or fail($base);
    make_directory($_) for $directory, "/proc";
  }
  else {
    my $is_new = index("mt", $type) >= 0;
    my $file = $is_new ? filesystem($type) : $opened{$path} || open_path($path, 6);
    # The path is missing, contains a link, or is inaccessible to the command as well.
    return if $file < 0 && !$is_new && grep { $! == $_ } 2, 13, 20, 40;
    fail($path) if $file < 0;
    return $opened{$path} = $file if $type eq "o";
    allow($file, $access);
    # A copy of the mount, with the mounts below it.
    my $mount = $is_new ? $file : $type eq "e" ? filesystem($type) : syscall 428, $file, $none, 0x89001;
    freeze($mount, 0x8000) if $type eq "r";
    if ($kind lt "a") {
      my $is_directory = index("rb", $type) < 0 || $opened{$path} || -d $path;
      $is_directory ? make_directory($path) : make_parent($path);
      $is_directory or sysopen my $empty, ".$path", 0x41;
    }
    attach($mount, $path);
    chdir $base if $path eq "/";
  }
}

# Shows the processes of this PID namespace, and leaves the old root.
sub finish_mounts {
  my ($proc, $here) = ("proc", ".");
  syscall(SYS_MOUNT, $proc, my $at = "./proc", $proc, 0xE, 0) == 0 or fail("/proc");
  while (my ($path, $access) = splice @processes, 0, 2) { allow(open_path(".$path", 6), $access) }
  return if $base eq "/";
  syscall(SYS_PIVOT_ROOT, $here, $here) == 0 && syscall(SYS_UMOUNT, $here, 2) == 0 && chdir "/" or fail("/");
}

sub make_directory {
  my $at = ".";
  $made{$at .= "/$_"}++ or mkdir $at, 0755 for split "/", $_[0];
}

sub make_parent {
  make_directory(substr $_[0], 0, rindex $_[0], "/");
}

sub attach {
  my ($mount, $path) = @_;
  my $at = open_path(".$path", 6);
  fail($path) if $mount < 0 || $at < 0 || syscall(429, $mount, $none, $at, $none, 0x44) != 0;
}

# Makes a mount read-only, with those below it if flags say so.
sub freeze {
  my ($mount, $flags) = @_;
  my $attributes = pack "QQQQ", 1, 0, 0, 0;
  syscall(442, $mount, $none, 0x1000 | $flags, $attributes, 32) == 0 or fail("/");
}

sub filesystem {
  my ($type, $attributes, @options) = @{ $new{$_[0]} };
  my $context = syscall 430, $type, 1;
  return $context if $context < 0;
  while (my ($name, $value) = splice @options, 0, 2) { syscall 431, $context, 1, $name, $value, 0 }
  syscall 431, $context, 6, 0, 0, 0;
  my $mount = syscall 432, $context, 1, $attributes;
  push @empty, $mount if $_[0] eq "e";
  return $mount;
}

sub fail {
  give_up(qq(protect "$_[0]" from the command));
}
