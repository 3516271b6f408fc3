/** Program that makes namespaces and becomes another program. */
const UNSHARE = "/usr/bin/unshare";

/** Longest time that a try may take, in milliseconds. */
const TRY_MS = 5_000;

/**
 * The first process of a namespace. When it exits, the kernel kills every other
 * process of the namespace, and waits for that.
 *
 * It exits when the command has ended and nothing else holds the output any
 * more: `bash -c 'exec > >(tee log); …'` is over when `tee` is. What holds it
 * longer than two seconds does not count. Signals that the runner sends to the
 * whole group do not end it, as the kernel protects the first process, and
 * without the trap, a shell would end by itself after SIGINT. What the shell says
 * of signals that ended the command is dropped.
 */
const INIT = `exec 3>&2 2>/dev/null
trap : INT
("$@" 2>&3 3>&-)
code=$?
for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  held=
  for file in /proc/[0-9]*/fd/[12]; do
    case $file in /proc/1/*) continue ;; esac
    if [ "$file" -ef /proc/1/fd/1 ]; then held=1; fi
    if [ -p /proc/1/fd/3 ] && [ "$file" -ef /proc/1/fd/3 ]; then held=1; fi
  done
  [ "$held" ] || break
  sleep 0.1 >/dev/null
done
exit $code`;

/** What each kind of user needs to make a PID namespace with a /proc of its own. */
const WAYS: readonly (readonly string[])[] = [
  [],
  // Without root, a user namespace gives the right to; the user stays the same.
  ["--user", "--map-current-user"],
];

let found: Promise<readonly string[] | undefined> | undefined;

/**
 * Finds out, once, how this process can run a command in a PID namespace of
 * its own, which no process leaves, and in which it sees no process outside.
 *
 * @returns Words to put in front of the command; `undefined` where the system
 * does not allow it: on other systems than Linux, and in most containers.
 */
export function pidNamespace(): Promise<readonly string[] | undefined> {
  return found ??= tryWays();
}

async function tryWays(): Promise<readonly string[] | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  for (const way of WAYS) {
    const words = [
      UNSHARE,
      ...way,
      ...["--pid", "--fork", "--kill-child", "--mount-proc", "--"],
    ];
    if (await works([...words, "/bin/sh", "-c", "[ $$ = 1 ]"])) {
      return [...words, "/bin/sh", "-c", INIT, "sh"];
    }
  }
  return undefined;
}

async function works([program, ...args]: readonly string[]): Promise<boolean> {
  // A terminal would ask its user about a program that no job file names.
  const { state } = Deno.permissions.querySync({
    name: "run",
    command: program,
  });
  if (state !== "granted") return false;
  try {
    const { success } = await new Deno.Command(program, {
      args,
      cwd: "/",
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal: AbortSignal.timeout(TRY_MS),
    }).output();
    return success;
  } catch {
    // There is no such program, or Deno may not start it.
    return false;
  }
}
