# Creates namespaces, and runs a command in them: the process that creates them waits
# outside, as its children are the ones inside. The first of these starts the command,
# and exits when it has ended and nothing else holds the output any more:
# `bash -c 'exec > >(tee log); ...'` ends when `tee` does. A process that holds
# it for more than two seconds does not count.
#
# Arguments of run_in_namespaces: architecture; "root" or "user"; number of the
# namespaces; words for prepare_confinement, with the command.
sub run_in_namespaces {
  $is_x86 = shift eq "x86_64";
  my ($kind, $namespaces) = splice @_, 0, 2;
  my $directory = readlink "/proc/self/cwd";
  my ($user, $group) = ($>, $) + 0);
  restore_environment();
  # They are for the command, not for the processes around it.
  my ($signals, $mask, $root) = (pack("Q", 0x4007), "\0" x 8, "/");
  my ($sigmask, $unshare, $mount, $prctl) = $is_x86 ? (14, 272, 165, 157) : (135, 97, 40, 167);
  syscall $sigmask, 0, $signals, $mask, 8;
  syscall($unshare, $namespaces + 0) == 0 or give_up("create namespaces");
  map_user(0, 0, $user, $group) if $kind eq "user";
  syscall($mount, $none, $root, 0, 0x44000, 0) == 0 or give_up("keep mounts private");
  # Each page that is written to after a fork is copied, so as much as possible
  # is done before.
  my @program = prepare_confinement(@_);
  attach_mounts($directory);
  my $init = fork;
  give_up("start the first process") if !defined $init;
  if ($init) {
    1 until waitpid($init, 0) == $init;
    kill $? & 127, $$ if $? & 127;
    leave($? >> 8);
  }
  # The kernel kills all processes inside if the one outside dies.
  syscall $prctl, 1, 9;
  finish_mounts();
  my $child = fork;
  give_up("start the command") if !defined $child;
  if ($child == 0) {
    if ($kind eq "root") { drop_capabilities() }
    # A user namespace inside the one that owns the mounts.
    else {
      syscall($unshare, 0x10000000) == 0 or give_up("create a user namespace");
      map_user($user, $group, 0, 0);
    }
    chdir $directory or give_up("change to \"$directory\"");
    syscall $sigmask, 2, $mask, 0, 8;
    start_confined(@program);
  }
  # Its descriptors lead outside.
  syscall 436, 3, 0xFFFFFFFF, 0;
  chdir "/";
  my $ended;
  do { $ended = wait } until $ended == $child || $ended < 0;
  my $status = $?;
  for (1 .. 20) {
    last unless is_output_held();
    # Processes that have lost their parent are reaped here.
    1 while waitpid(-1, 1) > 0;
    select undef, undef, undef, 0.1;
  }
  # As a shell counts it.
  leave($status & 127 ? 128 + ($status & 127) : $status >> 8);
}

# Exits without the time that Perl needs to free its memory.
sub leave {
  syscall $is_x86 ? 231 : 94, $_[0];
}

# Lets root keep what it has in a container, but for creating devices: it can
# neither unmount file systems nor open files by number, nor look into processes
# of other users.
sub drop_capabilities {
  my ($prctl, $capget, $capset) = $is_x86 ? (157, 125, 126) : (167, 90, 91);
  # chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
  # net_bind_service, net_raw, sys_chroot, audit_write, setfcap
  my %kept = map { $_ => 1 } 0, 1, 3 .. 8, 10, 13, 18, 29, 31;
  for my $number (0 .. 63) {
    next if $kept{$number} || syscall($prctl, 24, $number, 0, 0, 0) == 0;
    # The kernel does not have this one.
    last if $! == 22;
    give_up("drop capabilities");
  }
  # What programs would inherit.
  syscall $prctl, 47, 4, 0, 0, 0;
  my ($header, $sets) = (pack("Ll", 0x20080522, 0), "\0" x 24);
  syscall($capget, $header, $sets) == 0 or give_up("read capabilities");
  my @sets = unpack "L6", $sets;
  @sets[2, 5] = (0, 0);
  $sets = pack "L6", @sets;
  syscall($capset, $header, $sets) == 0 or give_up("drop capabilities");
}

# Gives the process IDs in its new user namespace, which those outside become.
sub map_user {
  my ($user, $group, $outer_user, $outer_group) = @_;
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", "$user $outer_user 1");
  put("/proc/self/gid_map", "$group $outer_group 1");
}

sub put {
  my ($path, $text) = @_;
  my $file;
  sysopen($file, $path, 1) && defined syswrite($file, $text) or give_up("write to $path");
}

# Checks whether another process writes to a pipe of the output.
sub is_output_held {
  my %pipes = map { -p $_ ? (join(":", (stat _)[0, 1]) => 1) : () } \*STDOUT, \*STDERR;
  return 0 unless %pipes;
  opendir my $processes, "/proc" or return 0;
  for my $id (grep { /^\d+$/ && $_ != 1 } readdir $processes) {
    for (1, 2) {
      my @status = stat "/proc/$id/fd/$_" or next;
      return 1 if $pipes{join ":", @status[0, 1]};
    }
  }
  return 0;
}
