# Waits for at most two seconds until no other process has a pipe of the output open:
# `bash -c 'exec > >(tee log); ...'` ends when `tee` does. Loaded when a command has
# ended but other processes are left.

for (1 .. 20) {
  last unless is_output_held();
  1 while waitpid(-1, 1) > 0;
  select undef, undef, undef, 0.1;
}

# Checks whether another process has a pipe of the output open for writing.
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
