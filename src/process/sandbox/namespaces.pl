# Creates namespaces, and runs a command in them: the process that creates them waits
# outside, as its children are the ones inside. The first of these starts the command,
# and exits when it has ended.
#
# Its arguments follow the numbers of system calls: number of the namespaces; code for
# a command that leaves processes (wait_for_output.pl); words for prepare_confinement,
# with the command.

# Exits without the time that Perl needs to free its memory.
sub leave {
  syscall $exit, $_[0];
}

sub reap {
  1 while waitpid(-1, 1) > 0;
}

my ($namespaces, $wait_for_output) = splice @ARGV, 0, 2;
restore_environment();
# They are for the command, not for the processes around it.
my ($signals, $mask, $root) = (pack("Q", 0x4007), "\0" x 8, "/");
syscall $sigmask, 0, $signals, $mask, 8;
syscall($unshare, 0 + $namespaces) == 0 or give_up("create namespaces");
prepare_rights();
syscall($mount_call, $none, $root, 0, 0x44000, 0) == 0 or give_up("keep mounts private");
# Each page that is written to after a fork is copied, so as much as possible is
# done before.
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
syscall $prctl, 1, 9;
finish_mounts();
# What is restricted here is restricted in the command, which cannot look into this
# process.
drop_rights();
confine();
syscall $prctl, 4, 0, 0, 0, 0;
my $child = fork;
defined $child or give_up("start the command");
if (!$child) {
  chdir $directory or give_up("change to \"$directory\"");
  syscall $sigmask, 2, $mask, 0, 8;
  start(@program);
}
# Its descriptors lead outside.
syscall 436, 3, 0xFFFFFFFF, 0;
chdir "/";
my $ended;
do { $ended = wait } until $ended == $child || $ended < 0;
my $status = $?;
reap();
# Are other processes left?
eval $wait_for_output if kill 0, -1;
# As a shell counts it.
leave($status & 127 ? 128 + ($status & 127) : $status >> 8);
