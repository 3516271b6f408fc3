# Makes every mount of a mount namespace read-only, except for some paths:
# Landlock governs what is in files, but not their modes, owners and times.
# Arguments: numbers of mount and of paths; the paths; others are ignored.
my ($mount, $count) = (shift(@ARGV) + 0, shift(@ARGV) + 0);
my @open = grep { -e $_ } "/proc", @ARGV[0 .. $count - 1];
# A mount of its own, with what is mounted below it.
syscall($mount, $_, $_, 0, 0x5000, 0) == 0 or exit 1 for @open;
change("/", 1, 0) or exit 1;
change($_, 0, 1) or exit 1 for @open;

sub change {
  my ($path, $set, $clear) = @_;
  my $attributes = pack "QQQQ", $set, $clear, 0, 0;
  return syscall(442, -100, $path, 0x8000, $attributes, 32) == 0;
}
