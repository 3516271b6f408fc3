import { assertEquals } from "@std/assert";
import { perlWords } from "../../../src/process/sandbox/confined_command.ts";
import {
  seccompFilter,
  type SeccompFilterOptions,
} from "../../../src/process/sandbox/seccomp_filter.ts";
import { findSandbox } from "../../../src/process/sandbox/find_sandbox.ts";
import { isClientMissing } from "../../helpers/client.ts";

const { problem } = await findSandbox(false);

/** Prints the names of the errors of some calls. */
const CALLS = `
import ctypes, errno, os, socket
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
)
`;

const CASES: readonly [Partial<SeccompFilterOptions>, string][] = [
  [
    { refusesSockets: true, refusesMemory: true },
    "EINVAL EACCES done done EACCES",
  ],
  [{ refusesSockets: false }, "EINVAL done done done done"],
  [{ refusesSockets: true }, "EINVAL EACCES done done done"],
  [
    { refusesSockets: false, refusesTruncate: true },
    "ENOSYS done done done done",
  ],
  [
    { refusesSockets: true, refusesTruncate: true },
    "ENOSYS EACCES done done done",
  ],
];

for (const [options, expected] of CASES) {
  Deno.test(
    `seccompFilter() with ${JSON.stringify(options)} leads to ${expected}`,
    {
      ignore: problem !== undefined || isClientMissing("python3"),
    },
    async () => {
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
        args: [...words, "/usr/bin/env", "python3", "-c", CALLS],
        clearEnv: true,
        env: { [`RUNNERLIB_ENV_${name}`]: Deno.env.get("PATH") ?? "" },
      }).output();
      const text = new TextDecoder().decode(stdout).trim();
      assertEquals(text, expected, new TextDecoder().decode(stderr));
    },
  );
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
