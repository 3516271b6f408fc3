# Namespaces of another user, in a user namespace.

my ($user, $group) = ($>, $) + 0);

# In the user namespace that owns the others, the user is root.
sub prepare_rights {
  map_user(0, 0, $user, $group);
}

# The command is in a user namespace inside, as itself.
sub drop_rights {
  syscall($unshare, 0x10000000) == 0 or give_up("create a user namespace");
  map_user($user, $group, 0, 0);
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
