/**
 * Passes a log through the pump while a timer watches the event loop, and prints
 * the maximum delay of the timer on standard error, in milliseconds.
 *
 * @module
 */
import { fixedEnvironment } from "../src/environment/child_environment.ts";
import { pump } from "../src/output/pump.ts";
import { streamSink } from "../src/output/sink.ts";
import { spawn } from "../src/process/spawn.ts";
import { Masker } from "../src/secrets/masker.ts";

const INTERVAL_MS = 2;

const [log] = Deno.args;
let dueMs = performance.now() + INTERVAL_MS;
let maxDelayMs = 0;
const timer = setInterval(() => {
  const now = performance.now();
  maxDelayMs = Math.max(maxDelayMs, now - dueMs);
  dueMs = now + INTERVAL_MS;
}, INTERVAL_MS);
const child = spawn(["cat", log], {
  cwd: ".",
  env: fixedEnvironment(Deno.env.toObject()),
});
await pump(child.stdout, streamSink(Deno.stdout), {
  startMask: () => new Masker().stream(),
  stop: new AbortController().signal,
});
clearInterval(timer);
const { exitCode } = await child.status;
await Deno.stderr.write(new TextEncoder().encode(String(maxDelayMs)));
Deno.exit(exitCode);
