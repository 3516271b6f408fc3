# Mounts the file systems of a mount namespace for the programs that run in it.
#
# More letters of words (see confine.pl); a directory comes before paths in it:
#   n PATH   mount for the new root, in which later paths are: nothing else exists,
#            except for the directory of the command
#   d PATH   is a new directory
#   l PATH   is a new link; the next argument is its target
#   m PATH   is a new file system; the next arguments are its type, its flags and its
#            options
#   b PATH   exists as it is
#   r PATH   exists, and is read-only
#   B R      the same, with a new mount point
# rare_mounts.pl has more. A path that does not exist, or contains a link, is
# skipped. Other users of the machine can move files at any time, so each path is
# opened once, without links.

my $directory = readlink "/proc/self/cwd";
# Where the new root is built; paths are relative to it.
my $base = "/";
# Attributes for mount_setattr.
my $read_only = pack "Q4", 1, 0, 0, 0;

sub apply_word {
  my ($kind, $access, $path) = @_;
  my $at = ".$path";
  if ($kind eq "d") { mkdir $at, 0755 }
  elsif ($kind eq "l") { symlink shift @ARGV, $at }
  elsif ($kind =~ /[rb]/i) {
    my $file = open_path($path);
    return if is_skipped($file);
    allow($path, $access, $file);
    # A copy of the mount, with the mounts below it.
    my $mount = syscall 428, $file, $none, 0x89001;
    $kind =~ /r/i and syscall(442, $mount, $none, 0x9000, $read_only, 32) == 0 || fail($path);
    $kind lt "a" and -d $path ? mkdir $at, 0755 : syscall SYS_MKNODAT, -100, $at, 0100644, 0;
    attach($mount, $path);
  }
  elsif ($kind eq "m") {
    my ($type, $flags, $options) = splice @ARGV, 0, 3;
    syscall(SYS_MOUNT, $type, $at, $type, 0 + $flags, $options) == 0 or fail($path);
    allow($at, $access);
  }
  elsif ($kind eq "n") {
    chdir($base = $path) or fail($path);
    my $at = ".";
    mkdir $at .= "/$_", 0755 for split "/", $directory;
  }
  else { apply_rare_word(@_) }
}

# Checks whether a path is missing, contains a link, or is inaccessible to the command
# as well.
sub is_skipped {
  return $_[0] < 0 && grep { $! == $_ } 2, 13, 20, 40;
}

sub attach {
  my ($mount, $path) = @_;
  my $at = open_path(".$path");
  $mount < 0 || $at < 0 || syscall(429, $mount, $none, $at, $none, 0x44) != 0 and fail($path);
}

# Leaves the old root.
sub finish_mounts {
  my $here = ".";
  $base eq "/"
    or syscall(442, -100, $here, 0, $read_only, 32) == 0 && syscall(SYS_PIVOT_ROOT, $here, $here) == 0
      && syscall(SYS_UMOUNT, $here, 2) == 0 && chdir "/"
    or fail("/");
}

sub fail {
  give_up(qq(protect "$_[0]" from the command));
}
