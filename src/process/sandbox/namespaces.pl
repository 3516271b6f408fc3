# Creates namespaces and runs a command in them. The process that creates them stays
# outside and waits; only its children are inside. The first child starts the command
# and exits when the command has ended.
#
# Arguments: number of the namespaces; code for a command that leaves processes
# (wait_for_output.pl); words for prepare_confinement, with the command.

# Exits immediately: Perl would take time to free its memory.
sub leave {
  syscall SYS_EXIT_GROUP, $_[0];
}

sub reap {
  1 while waitpid(-1, 1) > 0;
}

my ($namespaces, $wait_for_output) = splice @ARGV, 0, 2;
restore_environment();
# Signals are for the command, not for the processes around it.
my ($signals, $mask, $root) = (pack("Q", 0x4007), "\0" x 8, "/");
syscall SYS_SIGMASK, 0, $signals, $mask, 8;
syscall(SYS_UNSHARE, 0 + $namespaces) == 0 or give_up("create namespaces");
prepare_rights();
syscall(SYS_MOUNT, $none, $root, 0, 0x44000, 0) == 0 or give_up("keep mounts private");
# Writing to a page after a fork copies it, so as much as possible is done before.
chdir "/";
my @program = prepare_confinement(@ARGV);
freeze($_, 0) for @empty;
my $init = fork;
defined $init or give_up("start the first process");
if ($init) {
  1 while waitpid($init, 0) < 0 && $! == 4;
  kill $? & 127, $$ if $? & 127;
  leave($? >> 8);
}
# The kernel kills all processes inside if the one outside dies.
syscall SYS_PRCTL, 1, 9;
finish_mounts();
# The command inherits the restrictions of this process, and cannot inspect it.
drop_rights();
confine();
syscall SYS_PRCTL, 4, 0, 0, 0, 0;
my $child = fork;
defined $child or give_up("start the command");
if (!$child) {
  chdir $directory or give_up("change to \"$directory\"");
  syscall SYS_SIGMASK, 2, $mask, 0, 8;
  start(@program);
}
# Open descriptors lead outside of the sandbox.
syscall 436, 3, 0xFFFFFFFF, 0;
chdir "/";
my $ended;
do { $ended = wait } until $ended == $child || $ended < 0;
my $status = $?;
reap();
# Are other processes left?
eval $wait_for_output if kill 0, -1;
# The exit code that a shell would report.
leave($status & 127 ? 128 + ($status & 127) : $status >> 8);
