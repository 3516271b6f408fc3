# Restricts the process with Landlock and seccomp, then becomes another program.
# Same as confine.js, but starts in a few milliseconds and can do more.
#
# confined_command.ts replaces SYS_* by the numbers of system calls. Each start of a
# command parses the code, so what is rarely used is in files that are rarely added.
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
# syscall needs strings in variables. How openat2 opens paths: without links in them.
my ($none, $how) = ("", pack "Q3", 0x280000, 0, 6);

# Applies the words up to the next one that starts with "-".
sub prepare_confinement {
  while (my ($kind, $access, $value) = unpack "aaa*", shift @ARGV) {
    if ($kind eq "p") { allow($value, $access) }
    elsif ($kind eq "f") { $filter = pack "H*", $value }
    elsif ($kind =~ /[!?]/) { create_ruleset($kind eq "!") }
    elsif ($kind eq "-") { last }
    else { apply_word($kind, $access, $value) }
  }
}

sub confine {
  return if !defined $ruleset;
  syscall(SYS_PRCTL, 38, 1, 0, 0, 0) == 0 && syscall(446, $ruleset, 0) == 0 or refused("Landlock");
  return if !defined $filter;
  my $program = pack "Sx6P", length($filter) / 8, $filter;
  syscall(SYS_PRCTL, 22, 2, $program, 0, 0) == 0 or refused("a filter of system calls");
}

# Becomes the program. It gets no descriptors that the runner inherited if it is
# restricted.
sub start {
  syscall 436, 3, 0xFFFFFFFF, 4 if defined $ruleset;
  exec { $ARGV[0] } @ARGV;
  exit 127;
}

sub refused {
  my $problem = "the kernel refuses $_[0]";
  $is_strict ? give_up("start the command in its sandbox", $problem) : report($problem);
}

sub give_up {
  print STDERR "Cannot $_[0]: ", $_[1] || $!, "\n";
  exit 126;
}

# Replaces the environment by the variables that RUNNERLIB_ENV_* encode: the rest of
# each name is the name of a variable in hexadecimal digits. If RUNNERLIB_SESSION is
# set, starts a session.
sub restore_environment {
  syscall SYS_SETSID if $ENV{RUNNERLIB_SESSION};
  %ENV = map { /^RUNNERLIB_ENV_/ ? (pack("H*", $'), $ENV{$_}) : () } keys %ENV;
}

sub create_ruleset {
  $is_strict = $_[0];
  $how = pack "Q3", 0x280000, 0, 0 if !$is_strict;
  my $version = syscall 444, 0, 0, 1;
  # Versions 2 and 3 added a right each, version 6 the scope.
  my $all = (1 << 12 + ($version > 3 ? 3 : $version)) - 2;
  my $attributes = pack "Q3", $all, 0, $is_strict * 3;
  my $created = syscall 444, $attributes, $version > 5 ? 24 : 8, 0;
  return refused("Landlock") if $created < 0;
  $ruleset = $created;
  # Not even root may create devices.
  @rights = (0, 0xC, $all & ~0x84C, $all & ~0x840);
}

# Allows access below a directory or to a file, for which the kernel rejects rights
# of directories. It is opened unless it is open.
sub allow {
  my ($path, $access, $file) = @_;
  return if !$access || !defined $ruleset;
  return if ($file //= open_path($path)) < 0;
  my $rule = pack "Ql", $rights[$access] & (-d $path ? -1 : 0x4006), $file;
  syscall 445, $ruleset, 1, $rule, 0;
}

sub open_path {
  return syscall 437, -100, $_[0], $how, 24;
}
