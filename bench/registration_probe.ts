/**
 * Passes a log through the pump repeatedly while secrets are registered one by
 * one on a socket, and prints the milliseconds per GiB on standard error.
 *
 * @module
 */
import { fixedEnvironment } from "../src/environment/child_environment.ts";
import { pump } from "../src/output/pump.ts";
import { spawn } from "../src/process/spawn.ts";
import { Masker } from "../src/secrets/masker.ts";
import { registerSecrets } from "../src/secrets/registration/register_secrets.ts";
import { openRegistration } from "../src/secrets/registration/server.ts";
import { makeSecrets } from "./log_file.ts";

/** Minimum time of the measurement, in milliseconds. */
const MIN_MS = 1000;

const GIB = 1024 ** 3;

const [log, count] = Deno.args;
const masker = new Masker();
masker.add("a secret that was known before");
await using registration = openRegistration({
  parents: [Deno.cwd()],
  mask: () => {},
  onRegister: (values) => values.forEach((value) => masker.add(value)),
  onWarning: (message) => console.error(message),
});
let printedBytes = 0;

async function register(): Promise<void> {
  for (const secret of makeSecrets(Number(count))) {
    await registerSecrets(registration.path, [secret]);
  }
}

const flood = spawn(`while cat ${log}; do :; done`, {
  cwd: ".",
  env: fixedEnvironment(Deno.env.toObject()),
});
const end = new AbortController();
const start = performance.now();
const pumping = pump(flood.stdout, {
  write(bytes) {
    printedBytes += bytes.length;
    return Promise.resolve();
  },
}, { startMask: () => masker.stream(), stop: end.signal });
const minTime = new Promise((resolve) => setTimeout(resolve, MIN_MS));
await Promise.all([register(), minTime]);
const timeMs = (performance.now() - start) / (printedBytes / GIB);
Deno.kill(-flood.pid, "SIGKILL");
end.abort();
await Promise.all([pumping, flood.status]);
await Deno.stderr.write(new TextEncoder().encode(String(timeMs)));
