#!/bin/sh
# Deno does not reap the processes that it inherits as the first process of a
# container, which it is when a job names it as its command.
[ "$$" -ne 1 ] || exec /usr/bin/tini -- "$0" "$@"
exec /usr/local/lib/deno/deno "$@"
