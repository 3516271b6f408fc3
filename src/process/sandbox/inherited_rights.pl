# For a runner with inheritable or ambient capabilities: its programs lose them.

sub drop_inherited_rights {
  syscall SYS_PRCTL, 47, 4, 0, 0, 0;
  my ($header, $sets) = (pack("Ll", 0x20080522, 0), "\0" x 24);
  syscall(SYS_CAPGET, $header, $sets) == 0 or give_up("read capabilities");
  my @sets = unpack "L6", $sets;
  @sets[2, 5] = (0, 0);
  $sets = pack "L6", @sets;
  syscall(SYS_CAPSET, $header, $sets) == 0 or give_up("drop capabilities");
}
