#!/bin/sh
# As the first process of a container, Deno does not reap orphaned processes. It is
# the first process if it is the command of a job.
[ "$$" -ne 1 ] || exec /usr/bin/tini -- "$0" "$@"
exec /usr/local/lib/deno/deno "$@"
