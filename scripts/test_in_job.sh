#!/usr/bin/env bash
#
# Runs the tests as in a job of this system: as a user other than root, without
# HOME, with a writable /job, and with all variables set that the runner reads.
# Requires root. Fails if the tests leave anything in /job or in the directory for
# temporary files.
#
# Arguments are passed to `deno test`; without arguments, all tests run.

set -euo pipefail
cd "$(dirname "$0")/.."

readonly user=1001
deno="$(npx -y deno@2.9.6 eval 'console.log(Deno.execPath())')"
work="$(mktemp -d)"
made_job=false
trap 'clean_up' EXIT

main() {
  [ "$(id -u)" -eq 0 ] || fail "not started by root"
  if [ ! -e /job ]; then
    mkdir /job
    made_job=true
  fi
  [ -z "$(ls -A /job)" ] || fail "/job is not empty"
  copy_project
  mkdir "$work/tmp"
  cp "$deno" "$work/deno"
  cp -R "$(cache_directory)" "$work/cache"
  chmod 755 "$work"
  chown -R "$user:$user" "$work"/*
  local job_owner
  job_owner="$(stat -c %u:%g /job)"
  chown "$user:$user" /job
  local status=0
  run_tests "$@" || status=$?
  chown "$job_owner" /job
  check_empty /job
  check_empty "$work/tmp"
  return "$status"
}

# A copy of the work tree, including uncommitted changes, in its own repository.
copy_project() {
  git clone --quiet --no-hardlinks . "$work/project"
  git ls-files -z --cached --others --exclude-standard |
    xargs -0 tar --create --ignore-failed-read |
    tar --extract --directory="$work/project"
}

run_tests() {
  [ "$#" -gt 0 ] || set -- tests/
  local variables=()
  mapfile -t variables < <(variable_names | sed 's/$/=from outside/')
  (
    cd "$work/project"
    in_job() {
      env --unset=HOME "${variables[@]}" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        DENO_DIR="$work/cache" TMPDIR="$work/tmp" NO_COLOR=1 \
        setpriv --reuid="$user" --regid="$user" --clear-groups \
        "$work/deno" "$@"
    }
    # `deno task check` checks types, which do not depend on the user.
    in_job test -A --parallel --no-check "$@" || exit
    # The demo reads its configuration from variables, as every job does.
    variables=()
    in_job run -A examples/demo.ts
  )
}

# Each REACTORCIDE_* and RC_* variable that the sources or the documentation name.
variable_names() {
  grep -rhoE '\b(REACTORCIDE|RC)_[A-Z0-9_]*[A-Z0-9]\b' src docs | sort -u
}

cache_directory() {
  "$deno" info --json | sed -nE 's/^ *"denoDir": "(.*)",$/\1/p'
}

check_empty() {
  [ -z "$(ls -A "$1")" ] || {
    ls -lA "$1"
    fail "the tests left files in $1"
  }
}

fail() {
  echo "Cannot test as in a job: $1" >&2
  exit 1
}

clean_up() {
  rm -rf "$work"
  if "$made_job"; then rm -rf /job; fi
}

main "$@"
