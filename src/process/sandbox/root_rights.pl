# Namespaces of root.

sub prepare_rights {}

# Reduces the capabilities of root, for programs that are started from now on, to
# those in a container without creating devices: they can neither unmount file
# systems nor open files by handle, nor inspect processes of other users.
sub drop_rights {
  # All but chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
  # net_bind_service, net_raw, sys_chroot, audit_write and setfcap.
  for my $number (2, 9, 11, 12, 14 .. 17, 19 .. 28, 30, 32 .. 63) {
    next if syscall(SYS_PRCTL, 24, $number, 0, 0, 0) == 0;
    # The kernel does not have this capability.
    last if $! == 22;
    give_up("drop capabilities");
  }
  # Clears the ambient capabilities, which programs would inherit.
  syscall SYS_PRCTL, 47, 4, 0, 0, 0;
  my ($header, $sets) = (pack("Ll", 0x20080522, 0), "\0" x 24);
  syscall(SYS_CAPGET, $header, $sets) == 0 or give_up("read capabilities");
  my @sets = unpack "L6", $sets;
  @sets[2, 5] = (0, 0);
  $sets = pack "L6", @sets;
  syscall(SYS_CAPSET, $header, $sets) == 0 or give_up("drop capabilities");
}
