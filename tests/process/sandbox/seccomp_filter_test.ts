import { assertEquals } from "@std/assert";
import { perlWords } from "../../../src/process/sandbox/confined_command.ts";
import {
  seccompFilter,
  type SeccompFilterOptions,
} from "../../../src/process/sandbox/seccomp_filter.ts";
import { findSandbox } from "../../../src/process/sandbox/find_sandbox.ts";
import { isProgramMissing } from "../../helpers/missing_program.ts";

const { problem } = await findSandbox(false);

/** Prints the names of the errors of some calls. */
const CALLS = `
import ctypes, errno, os, resource, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(act):
    try:
        act()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
def shared_memory():
    if libc.shmctl(libc.shmget(0, 1, 0o600), 0, None) == -1:
        raise OSError(ctypes.get_errno(), "")
print(
    attempt(lambda: os.truncate("/dev/null", 0)),
    attempt(socket.socket),
    attempt(socket.socketpair),
    attempt(lambda: os.getpid()),
    attempt(shared_memory),
    attempt(lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE)),
    attempt(lambda: resource.prlimit(0, resource.RLIMIT_CORE)),
)
`;

const CASES: readonly [Partial<SeccompFilterOptions>, string][] = [
  [
    { refusesSockets: true, refusesMemory: true },
    "EINVAL EACCES done done EACCES done done",
  ],
  [{ refusesSockets: false }, "EINVAL done done done done done done"],
  [
    { refusesSockets: true, refusesOtherProcesses: true },
    "EINVAL EACCES done done done EPERM done",
  ],
  [
    { refusesSockets: false, refusesTruncate: true },
    "ENOSYS done done done done done done",
  ],
  [
    { refusesSockets: true, refusesTruncate: true },
    "ENOSYS EACCES done done done done done",
  ],
];

/** Prints the errors of calls that set priorities to their current values. */
const PRIORITIES = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
IOPRIO_SET = 251 if os.uname().machine == "x86_64" else 30
own = os.getpriority(os.PRIO_PROCESS, 0)
calls = [
    lambda: libc.setpriority(os.PRIO_PROCESS, os.getppid(), own),
    lambda: libc.setpriority(os.PRIO_USER, 0, own),
    lambda: libc.setpriority(os.PRIO_PROCESS, 0, own),
    lambda: libc.syscall(IOPRIO_SET, 1, os.getppid(), 0),
    lambda: libc.syscall(IOPRIO_SET, 3, 0, 0),
    lambda: libc.syscall(IOPRIO_SET, 1, 0, 0),
]
print([ctypes.get_errno() if call() else 0 for call in calls])
`;

for (const [options, expected] of CASES) {
  Deno.test(
    `seccompFilter() with ${JSON.stringify(options)} leads to ${expected}`,
    {
      ignore: problem !== undefined || isProgramMissing("python3"),
    },
    async () => assertEquals(await outputOf(CALLS, options), expected),
  );
}

Deno.test(
  "seccompFilter() refuses priorities of other processes, and allows that of the caller",
  {
    ignore: problem !== undefined || isProgramMissing("python3"),
  },
  async () => {
    const output = await outputOf(PRIORITIES, { refusesOtherProcesses: true });
    assertEquals(output, "[1, 1, 0, 1, 1, 0]");
  },
);

/** Prints the errors of opening sockets. */
const SOCKETS = `
import errno, socket
for family, kind, protocol in [
    (socket.AF_PACKET, socket.SOCK_RAW, 0x300),
    (socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0x300),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),
    (socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP),
    (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_UDP),
    (socket.AF_INET, 10, 0x300),
    (44, socket.SOCK_RAW, 0),
    (socket.AF_INET, socket.SOCK_STREAM, 0),
    (socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0),
    (socket.AF_UNIX, socket.SOCK_SEQPACKET, 0),
    (socket.AF_NETLINK, socket.SOCK_RAW, 0),
    (socket.AF_NETLINK, socket.SOCK_DGRAM, 0),
]:
    try:
        socket.socket(family, kind, protocol).close()
        print("done", end=" ")
    except OSError as error:
        print(errno.errorcode[error.errno], end=" ")
`;

Deno.test(
  "seccompFilter() refuses sockets that read packets of other processes",
  {
    ignore: problem !== undefined || isProgramMissing("python3"),
  },
  async () => {
    const refused = await outputOf(SOCKETS, { refusesRawSockets: true });
    assertEquals(refused.split(" "), [
      ...Array(7).fill("EPERM"),
      ...Array(5).fill("done"),
    ]);
  },
);

/** Runs Python code behind a filter. */
async function outputOf(
  code: string,
  options: Partial<SeccompFilterOptions>,
): Promise<string> {
  const filter = seccompFilter({
    architecture: Deno.build.arch,
    refusesSockets: false,
    ...options,
  });
  const [perl, ...words] = perlWords("/usr/bin/perl", {
    read: ["/"],
    write: ["/"],
    strict: { filter },
  });
  const name = new TextEncoder().encode("PATH").toHex();
  const { stdout, stderr } = await new Deno.Command(perl, {
    args: [...words, "/usr/bin/env", "python3", "-c", code],
    clearEnv: true,
    env: { [`RUNNERLIB_ENV_${name}`]: Deno.env.get("PATH") ?? "" },
  }).output();
  const errors = new TextDecoder().decode(stderr);
  return new TextDecoder().decode(stdout).trim() || errors;
}

Deno.test("seccompFilter() ends with an instruction that allows a call", () => {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    const filter = seccompFilter({ architecture, refusesSockets: true });
    assertEquals(filter.length % 8, 0);
    const last = new DataView(filter.buffer, filter.length - 8);
    assertEquals(last.getUint16(0, true), 0x06);
    assertEquals(last.getUint32(4, true), 0x7fff0000);
  }
});
