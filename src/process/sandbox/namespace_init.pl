# The first process of the namespaces: arranges the files, starts a command, and
# exits when it has ended and nothing else holds the output any more:
# `bash -c 'exec > >(tee log); ...'` ends when `tee` does. A process that holds
# it for more than two seconds does not count.
#
# Arguments of run_in_namespace: architecture; "root", or "user" in a user namespace; count of words
# for arrange_files; these; words for run_confined, with the command.
sub run_in_namespace {
  my ($architecture, $kind, $count, @words) = @_;
  my @files = splice @words, 0, $count;
  my $directory = readlink "/proc/self/cwd";
  arrange_files($architecture, @files) if @files;
  # Elsewhere, it may be one of the files outside.
  chdir "/";
  restore_environment();
  # Each page that is written to after the fork is copied, so as much as possible
  # is done before.
  my @program = prepare_confinement(@words);
  my $child = fork;
  give_up("start the command") if !defined $child;
  if ($child == 0) {
    $kind eq "root" ? drop_capabilities($architecture) : enter_user_namespace($architecture);
    chdir $directory or give_up("change to \"$directory\"");
    start_confined($architecture, @program);
  }
  my $ended;
  do { $ended = wait } until $ended == $child || $ended < 0;
  my $status = $?;
  for (1 .. 20) {
    last unless is_output_held();
    # Processes that have lost their parent are reaped here.
    1 while waitpid(-1, 1) > 0;
    select undef, undef, undef, 0.1;
  }
  # As a shell counts it, without the time that Perl needs to free its memory.
  syscall $architecture eq "x86_64" ? 231 : 94, $status & 127 ? 128 + ($status & 127) : $status >> 8;
}

# Lets root keep what it has in a container, but for creating devices: it can
# neither unmount file systems nor open files by number, nor look into processes
# of other users.
sub drop_capabilities {
  my ($architecture) = @_;
  my ($prctl, $capget, $capset) = $architecture eq "x86_64" ? (157, 125, 126) : (167, 90, 91);
  # chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
  # net_bind_service, net_raw, sys_chroot, audit_write, setfcap
  my %kept = map { $_ => 1 } 0, 1, 3 .. 8, 10, 13, 18, 29, 31;
  for (my $number = 0; syscall($prctl, 23, $number, 0, 0, 0) >= 0; $number++) {
    next if $kept{$number};
    syscall($prctl, 24, $number, 0, 0, 0) == 0 or give_up("drop capabilities");
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

# Gives the command a user namespace inside the one that owns the mounts, in
# which it has its own user ID again.
sub enter_user_namespace {
  my ($architecture) = @_;
  my ($user, $group) = map { first_id("/proc/self/$_") } "uid_map", "gid_map";
  syscall($architecture eq "x86_64" ? 272 : 97, 0x10000000) == 0 or give_up("create a user namespace");
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", "$user 0 1");
  put("/proc/self/gid_map", "$group 0 1");
}

# Returns the ID outside of the first one inside.
sub first_id {
  my ($path) = @_;
  open my $map, "<", $path or give_up("read $path");
  my (undef, $outside) = split " ", <$map>;
  return $outside;
}

sub put {
  my ($path, $text) = @_;
  sysopen(my $file, $path, 1) && defined syswrite($file, $text) or give_up("write to $path");
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

sub give_up {
  my ($action) = @_;
  print STDERR "Cannot start the command in its namespaces: cannot $action: $!\n";
  exit 126;
}
