# Namespaces of a user other than root, in a user namespace.

my ($user, $group) = ($>, $) + 0);

# In the user namespace that owns the other namespaces, the user is root.
sub prepare_rights {
  map_user(0, 0, $user, $group);
}

# The command runs in a nested user namespace, with its original IDs.
sub drop_rights {
  syscall(SYS_UNSHARE, 0x10000000) == 0 or give_up("create a user namespace");
  map_user($user, $group, 0, 0);
}

# Maps the user and group in the new user namespace to those outside.
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
