# Namespaces of root.

sub prepare_rights {}

# Reduces the capabilities of root, for programs that are started from now on, to
# those in a container without creating devices: they can neither unmount file
# systems nor open files by handle, nor inspect processes of other users.
sub drop_rights {
  # All but chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
  # net_bind_service, net_raw, sys_chroot, audit_write and setfcap. The kernel refuses
  # the first number that it has no capability for.
  syscall(SYS_PRCTL, 24, $_, 0, 0, 0) && ($! == 22 ? last : give_up("drop capabilities"))
    for 2, 9, 11, 12, 14 .. 17, 19 .. 28, 30, 32 .. 63;
  drop_inherited_rights();
}
