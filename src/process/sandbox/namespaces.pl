# Creates namespaces and runs a command in them. The process that creates them stays
# outside and waits; only its children are inside. The first child starts the command
# and exits when the command has ended.
#
# Arguments: number of the namespaces; code for a command that leaves processes
# (wait_for_output.pl); words for prepare_confinement; "-"; words for a process in the
# namespaces, such as those about /proc; "--"; the command.

my ($namespaces, $wait_for_output) = splice @ARGV, 0, 2;
my $runner = getppid;
restore_environment();
# Signals are for the command, not for the processes around it.
my ($signals, $mask, $root) = (pack("Q", 0x4007), "\0" x 8, "/");
syscall SYS_SIGMASK, 0, $signals, $mask, 8;
syscall(SYS_UNSHARE, 0 + $namespaces) == 0 or give_up("create namespaces");
prepare_rights();
syscall(SYS_MOUNT, $none, $root, 0, 0x44000, 0) == 0 or give_up("keep mounts private");
# Writing to a page after a fork copies it, so as much as possible is done before.
chdir "/";
prepare_confinement();
# The kernel kills this process if the runner dies, and all processes inside with it.
syscall SYS_PRCTL, 1, 9;
getppid == $runner or syscall SYS_EXIT_GROUP, 137;
if (my $init = fork // give_up("start the first process")) {
  1 while waitpid($init, 0) < 0 && $! == 4;
  kill $? & 127, $$ if $? & 127;
  # Exits immediately: Perl would take time to free its memory.
  syscall SYS_EXIT_GROUP, $? >> 8;
}
# Likewise, if the process outside dies.
syscall SYS_PRCTL, 1, 9;
prepare_confinement();
finish_mounts();
# The command inherits the restrictions of this process, and cannot inspect it.
drop_rights();
confine();
syscall SYS_PRCTL, 4, 0, 0, 0, 0;
my $child = fork // give_up("start the command");
if (!$child) {
  chdir $directory or give_up("change to \"$directory\"");
  syscall SYS_SIGMASK, 2, $mask, 0, 8;
  start();
}
# Open descriptors lead outside of the sandbox.
syscall 436, 3, 0xFFFFFFFF, 0;
chdir "/";
1 until ($_ = wait) == $child || $_ < 0;
my $status = $?;
# Are other processes left? Zombies are not.
1 while waitpid(-1, 1) > 0;
eval $wait_for_output if kill 0, -1;
# The exit code that a shell would report.
syscall SYS_EXIT_GROUP, $status & 127 ? 128 + ($status & 127) : $status >> 8;
