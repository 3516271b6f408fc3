/**
 * Runs `true` with the system calls that a run needs, and nothing else: signals
 * are caught, a private directory has a socket where programs register secrets
 * and the program that does so, the command gets its own session and a complete
 * environment, and what it left is ended and removed.
 *
 * The floor of a start: it knows no options, masks nothing, and reports nothing.
 *
 * @module
 */

const SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"] as const;

const PROGRAM = `#!/bin/sh
exec runnerlib "$@"
`;

for (const signal of SIGNALS) Deno.addSignalListener(signal, () => {});
const directory = Deno.makeTempDirSync();
const socket = `${directory}/socket`;
const listener = Deno.listen({ transport: "unix", path: socket });
Deno.chmodSync(socket, 0o600);
Deno.mkdirSync(`${directory}/bin`, { mode: 0o700 });
Deno.writeTextFileSync(`${directory}/bin/runnerlib`, PROGRAM, { mode: 0o700 });
const env = Deno.env.toObject();
const child = new Deno.Command("/usr/bin/setsid", {
  args: ["/bin/sh", "-c", "exec 2>&1; true"],
  env: { ...env, PATH: `${directory}/bin:${env.PATH}`, SOCKET: socket },
  clearEnv: true,
  stdin: "null",
  stdout: "piped",
}).spawn();
for await (const bytes of child.stdout) await Deno.stdout.write(bytes);
const { code } = await child.status;
try {
  Deno.kill(-child.pid, "SIGKILL");
} catch {
  // All programs of the session have ended.
}
listener.close();
Deno.removeSync(directory, { recursive: true });
Deno.exit(code);
