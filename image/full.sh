#!/bin/sh
# Installs the packages of the target `full` from Debian, as root.
#
# usage: full.sh [--simulate]

set -eu

# Debian builds browsers with rustc-web and cargo-web; the Rust packages of the
# release are from 2022.
packages="
  build-essential cargo-web curl file fuse-overlayfs gnupg golang-go iproute2
  iptables jq less pipx pkg-config podman procps python-is-python3 python3-dev
  python3-pip python3-venv rsync rustc-web slirp4netns sudo uidmap wget
"

main() {
  apt-get update
  add_backports
  apt-get update
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "$@" $packages
  [ "$#" -eq 0 ] || return 0
  set_up_sudo
  set_up_podman
  set_up_toolchains
  rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt
}

# The Go package of the release is too old to download a newer toolchain itself.
add_backports() {
  # shellcheck source=/dev/null
  . /etc/os-release
  # shellcheck disable=SC2016
  mirror="$(apt-get indextargets --format '$(REPO_URI)' \
    "Codename: $VERSION_CODENAME" | head -n 1)"
  options=""
  if grep -qrs check-valid-until /etc/apt/sources.list; then
    options="[check-valid-until=no] "
  fi
  echo "deb $options$mirror $VERSION_CODENAME-backports main" \
    >/etc/apt/sources.list.d/backports.list
  cat >/etc/apt/preferences.d/go <<END
Package: golang-go golang-src /^golang-1\./
Pin: release n=$VERSION_CODENAME-backports
Pin-Priority: 600
END
}

# Jobs may run only the package manager as root.
set_up_sudo() {
  echo "runner ALL=(root) NOPASSWD: /usr/bin/apt-get, /usr/bin/apt" \
    >/etc/sudoers.d/runner
  chmod 0440 /etc/sudoers.d/runner
}

# A container has no systemd, and rarely a file system that supports overlays.
set_up_podman() {
  cat >/etc/containers/storage.conf <<END
[storage]
driver = "vfs"
END
  cat >/etc/containers/containers.conf <<END
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
END
}

# Every user may install programs here. The directories come last in PATH, so that
# a step of a job cannot replace other programs.
set_up_toolchains() {
  install -d -m 0777 /go /go/bin /usr/local/cargo /usr/local/cargo/bin
}

main "$@"
