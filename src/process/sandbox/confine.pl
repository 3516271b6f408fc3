# Restricts the process with Landlock and seccomp, then becomes another program.
# Same as confine.js, but starts in a few milliseconds and can do more.
#
# confined_command.ts replaces SYS_* by the numbers of system calls.
#
# Arguments: words; "--"; the program. A word is a letter, the access that Landlock
# grants (0 none, 1 read, 2 write, 3 both), and a value:
#   !        restricts strictly: signals and abstract sockets do not reach other
#            processes, a path is allowed only if no part of it is a link, and
#            the program is not started without the restrictions
#   ?        restricts, but starts the program in any case
#   p PATH   path, for its access alone
#   f HEX    filter of system calls, in hexadecimal digits
# Without ! and ?, nothing is restricted. mounts.pl and program.pl have more letters.

my ($is_strict, $filter, $ruleset, @rights);
# syscall needs strings in variables.
my $none = "";

# Applies the words, and returns the program.
sub prepare_confinement {
  while (@_) {
    my ($kind, $access, $value) = unpack "aaa*", shift;
    if ($kind eq "-") { last }
    elsif ($kind eq "p") { allow(open_path($value, $is_strict ? 6 : 0), $access) }
    elsif ($kind eq "f") { $filter = pack "H*", $value }
    elsif ($kind eq "!" || $kind eq "?") { create_ruleset($is_strict = $kind eq "!") }
    else { apply_word($kind, $access, $value) }
  }
  return @_;
}

sub confine {
  if (defined $ruleset) {
    syscall(SYS_PRCTL, 38, 1, 0, 0, 0) == 0 && syscall(446, $ruleset, 0) == 0 or refused("Landlock");
  }
  if (defined $filter) {
    my $program = pack "Sx6P", length($filter) / 8, $filter;
    syscall(SYS_PRCTL, 22, 2, $program, 0, 0) == 0 or refused("a filter of system calls");
  }
}

sub start {
  # Descriptors that the runner inherited are not passed on to a restricted program.
  syscall 436, 3, 0xFFFFFFFF, 4 if defined $ruleset;
  exec { $_[0] } @_;
  exit 127;
}

sub refused {
  my $problem = "the kernel refuses $_[0]";
  give_up("start the command in its sandbox", $problem) if $is_strict;
  report($problem);
}

sub give_up {
  my ($action, $reason) = (@_, $!);
  print STDERR "Cannot $action: $reason\n";
  exit 126;
}

# Replaces the environment by the variables that RUNNERLIB_ENV_* encode: the rest of
# each name is the name of a variable in hexadecimal digits. If RUNNERLIB_SESSION is
# set, starts a session.
sub restore_environment {
  syscall SYS_SETSID if $ENV{RUNNERLIB_SESSION};
  %ENV = map {
    substr($_, 0, 14) eq "RUNNERLIB_ENV_" ? (pack("H*", substr $_, 14), $ENV{$_}) : ()
  } keys %ENV;
}

sub create_ruleset {
  my $version = syscall 444, 0, 0, 1;
  my $all = 0x1FFE | ($version > 1) << 13 | ($version > 2) << 14;
  my $attributes = pack "QQQ", $all, 0, $is_strict && $version > 5 ? 3 : 0;
  my $created = syscall 444, $attributes, $version > 5 ? 24 : 8, 0;
  return refused("Landlock") if $created < 0;
  $ruleset = $created;
  # Not even root may create devices.
  @rights = (0, 0xC, $all & ~0x84C, $all & ~0x840);
}

# Allows access below an open file, or to it.
sub allow {
  my ($file, $access) = @_;
  return if $file < 0 || !$access || !defined $ruleset;
  # For files other than directories, the kernel rejects rights of directories.
  for my $rights ($rights[$access], $rights[$access] & 0x4006) {
    my $rule = pack "Ql", $rights, $file;
    last if syscall(445, $ruleset, 1, $rule, 0) == 0 || $! != 22;
  }
}

# Opens a path; returns a negative number if that fails. The flags 6 reject a path
# that contains a link.
sub open_path {
  my $how = pack "QQQ", 0x280000, 0, $_[1];
  return syscall 437, -100, $_[0], $how, 24;
}
