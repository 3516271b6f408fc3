# Restricts the process with Landlock and seccomp, then becomes another program.
# Same as confine.js, but starts in a few milliseconds and can do more.
#
# Arguments of run_confined: architecture; words of a letter and a value; "--"; the program.
#   r PATH   path that can be read
#   w PATH   path that can be written to
#   e N=V    variable for the program only
#   f HEX    filter of system calls, in hexadecimal digits
#   d BYTES  limit of the program's data memory, where the system has one
#   c        the environment is what restore_environment leaves
#   !        strict: signals and abstract sockets do not reach other processes, a
#            path is allowed only if no part of it is a link, and the program is
#            not started without the restrictions
# Without words, nothing is restricted.

my (@read, @write, $filter, $is_strict, $data, $ruleset);

sub run_confined {
  my ($architecture, @words) = @_;
  start_confined($architecture, prepare_confinement(@words));
}

# Takes the words, and returns the program.
sub prepare_confinement {
  my (@words) = @_;
  return @words[1 .. $#words] if $words[0] eq "--";
  while (defined(my $word = shift @words)) {
    last if $word eq "--";
    take_word($word =~ /^(.)(.*)$/s);
  }
  my $problem = create_ruleset();
  report($problem) if $problem;
  return @words;
}

# Descriptors that the runner inherited are not passed on to a restricted program.
sub start_confined {
  my ($architecture, @program) = @_;
  if (defined $ruleset) {
    my $prctl = $architecture eq "x86_64" ? 157 : 167;
    syscall 436, 3, 0xFFFFFFFF, 4;
    if (syscall($prctl, 38, 1, 0, 0, 0) != 0 || syscall(446, $ruleset, 0) != 0) {
      report("the kernel refuses Landlock");
    } elsif (defined $filter) {
      my $program = pack "Sx6P", length($filter) / 8, $filter;
      syscall($prctl, 22, 2, $program, 0, 0) == 0
        or report("the kernel refuses the filter of system calls");
    }
  }
  syscall $architecture eq "x86_64" ? 302 : 261, 0, 2, $data, 0 if defined $data;
  exec { $program[0] } @program;
  exit 127;
}

sub report {
  my ($problem) = @_;
  if ($is_strict) {
    print STDERR "Cannot start the command in its sandbox: $problem\n";
    exit 126;
  }
  syswrite STDOUT, qq({"type":"unconfined","message":"$problem"}\n);
}

sub take_word {
  my ($kind, $value) = @_;
  if ($kind eq "r") { push @read, $value }
  elsif ($kind eq "w") { push @write, $value }
  elsif ($kind eq "f") { $filter = pack "H*", $value }
  elsif ($kind eq "d") { $data = pack "QQ", $value, $value }
  elsif ($kind eq "c") { restore_environment() }
  elsif ($kind eq "!") { $is_strict = 1 }
  else {
    my ($name, $text) = split /=/, $value, 2;
    $ENV{$name} = $text;
  }
}

# Leaves what variables contain whose names are RUNNERLIB_ENV_ and the name of
# another one in hexadecimal digits.
sub restore_environment {
  my %own = map { /^RUNNERLIB_ENV_([0-9a-f]*)$/ ? (pack("H*", $1), $ENV{$_}) : () } keys %ENV;
  %ENV = %own;
}

# Returns a problem, or nothing.
sub create_ruleset {
  my $version = syscall 444, 0, 0, 1;
  return "the kernel does not offer Landlock" if $version < 1;
  my $reading = 0xC;
  my $writing = 0x1FF2 | ($version >= 2 ? 0x2000 : 0) | ($version >= 3 ? 0x4000 : 0);
  my $scopes = $is_strict && $version >= 6 ? 3 : 0;
  my $attributes = pack "QQQ", $reading | $writing, 0, $scopes;
  my $size = $scopes ? 24 : 8;
  my $created = syscall 444, $attributes, $size, 0;
  return "the kernel does not create a Landlock ruleset" if $created < 0;
  $ruleset = $created;
  # Devices are not created, even by root.
  my $granted = $writing & ~0x840;
  allow($_, $reading) for @read;
  allow($_, $granted) for @write;
  return;
}

sub allow {
  my ($path, $access) = @_;
  return unless -e $path;
  $access &= 0x4006 unless -d _;
  sysopen my $handle, $path, 0x280000 or return;
  return if $is_strict && readlink("/proc/self/fd/" . fileno $handle) ne $path;
  my $rule = pack "Ql", $access, fileno $handle;
  syscall 445, $ruleset, 1, $rule, 0;
}
