# The minimal system calls for the sandbox of a step, as root on x86_64: namespaces,
# a root directory with some paths and its own memory, terminals and processes, only
# the capabilities of containers, Landlock, and a filter that allows everything.
# Without decisions, checks or reports.
#
# Arguments: the paths.

my ($none, $here, $root, $base, $proc) = ("", ".", "/", "/proc", "proc");

sub filesystem {
  my ($type, $mode) = @_;
  my $name = "mode";
  my $context = syscall 430, $type, 1;
  syscall 431, $context, 1, $name, $mode, 0;
  syscall 431, $context, 6, 0, 0, 0;
  return syscall 432, $context, 1, 6;
}

sub attach {
  my ($mount, $path) = @_;
  syscall 429, $mount, $none, -100, $path, 4;
}

syscall 112;
syscall 272, 0x28020000;
syscall 165, $none, $root, 0, 0x44000, 0;
my $attributes = pack "QQQ", 0x7FFE, 0, 3;
my $ruleset = syscall 444, $attributes, 24, 0;
my @mounts = map {
  my $file = syscall 257, -100, $_, 0x280000;
  my $rule = pack "Ql", -d $_ ? 0xC : 4, $file;
  syscall 445, $ruleset, 1, $rule, 0;
  [$_, syscall(428, $file, $none, 0x89001), -d _];
} @ARGV;
attach(filesystem("tmpfs", "0755"), $base);
chdir $base;
for (@mounts) {
  my ($path, $mount, $is_directory) = @$_;
  my $at = ".";
  my ($above) = $is_directory ? $path : $path =~ m{(.*)/};
  mkdir $at .= "/$_" for split m{/}, $above;
  my $target = ".$path";
  $is_directory or syscall 133, $target, 0100644, 0;
  attach($mount, $target);
}
mkdir $_ for $proc, "dev/shm", "dev/pts";
attach(filesystem("tmpfs", "1777"), "dev/shm");
attach(filesystem("devpts", "0620"), "dev/pts");
if (my $first = fork) {
  waitpid $first, 0;
  syscall 231, $? >> 8;
}
syscall 157, 1, 9;
syscall 165, $proc, $proc, $proc, 14, 0;
syscall 155, $here, $here;
syscall 166, $here, 2;
syscall 157, 24, $_, 0, 0, 0 for 2, 9, 11, 12, 14 .. 17, 19 .. 28, 30, 32 .. 40;
syscall 157, 38, 1, 0, 0, 0;
syscall 446, $ruleset, 0;
my $filter = pack "SCCL", 6, 0, 0, 0x7FFF0000;
my $program = pack "Sx6P", 1, $filter;
syscall 157, 22, 2, $program, 0, 0;
if (my $command = fork) {
  waitpid $command, 0;
  syscall 231, $? >> 8;
}
chdir "/";
exec "/bin/sh", "-c", "test -e /dev/null && test ! -e /tmp";
