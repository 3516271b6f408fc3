import { assert, assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { Cancellation } from "../../src/process/cancellation.ts";
import { capture, type CaptureOptions } from "../../src/process/capture.ts";
import { makeGate } from "../helpers/gate.ts";
import { endProcess, waitForExit } from "../helpers/process_table.ts";
import { BARE_ENV } from "../helpers/running.ts";
import { soon, until } from "../helpers/soon.ts";
import {
  listFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const LIMIT_BYTES = 16 * 1024 * 1024;

function sh(
  script: string,
  cancellation = new Cancellation(),
  env = {},
  limits: Pick<CaptureOptions, "drainMs" | "closeMs"> = {},
) {
  return soon(
    capture(["sh", "-c", script], {
      cwd: "/",
      env: { ...BARE_ENV, ...env },
      cancellation,
      ...limits,
    }),
    "the end of the program",
  );
}

Deno.test("capture() returns both streams and the exit status", async () => {
  const result = await sh("echo out; echo err >&2; exit 3");
  assertEquals(result.stdout, "out\n");
  assertEquals(result.stderr, "err\n");
  assertEquals(result.exitCode, 3);
  assertEquals(result.signal, null);
});

Deno.test("capture() decodes characters that are split by reads", async () => {
  const { stdout } = await sh(
    "printf '\\303'; sleep 0.01; printf '\\251\\342'; sleep 0.01; printf '\\202\\254\\377'",
  );
  assertEquals(stdout, "é€\ufffd");
});

Deno.test("capture() keeps the first 16 MiB of a stream and lets the program continue", async () => {
  const bytes = LIMIT_BYTES + 100_000;
  const { stdout, stderr, exitCode } = await sh(
    `head -c ${bytes} /dev/zero; head -c ${bytes} /dev/zero >&2; exit 9`,
  );
  assertEquals(exitCode, 9);
  assertEquals([stdout.length, stderr.length], [LIMIT_BYTES, LIMIT_BYTES]);
});

Deno.test("capture() fails when the program does not exist", async () => {
  const error = await assertRejects(
    () =>
      capture(["no-such-program"], {
        cwd: "/",
        env: BARE_ENV,
        cancellation: new Cancellation(),
      }),
    RunnerError,
  );
  assertEquals(error.code, "command-not-found");
});

Deno.test("capture() starts nothing if the job is already cancelled", async () => {
  await using directory = await temporaryDirectory();
  const cancellation = new Cancellation();
  cancellation.cancel("SIGTERM");
  const error = await assertRejects(
    () => sh(`: > ${directory.path}/started`, cancellation),
    DOMException,
    "SIGTERM",
  );
  assertEquals(error.name, "AbortError");
  assertEquals(await listFiles(directory.path), {});
});

Deno.test("capture() ends the program and its descendants when the job is cancelled", async () => {
  await using directory = await temporaryDirectory();
  const pids = `${directory.path}/pids`;
  const cancellation = new Cancellation();
  const result = sh(
    `sleep 1000 & echo $$ $! > ${pids}.new; mv ${pids}.new ${pids}; wait`,
    cancellation,
  );
  const rejected = assertRejects(() => result, DOMException);
  await until(
    () =>
      [...Deno.readDirSync(directory.path)].some((item) =>
        item.name === "pids"
      ),
    "the program",
  );
  cancellation.cancel("SIGTERM");
  assertEquals((await rejected).name, "AbortError");
  for (const pid of (await Deno.readTextFile(pids)).trim().split(" ")) {
    await waitForExit(Number(pid));
  }
});

Deno.test("capture() returns even if a daemon holds both pipes", async () => {
  await using directory = await temporaryDirectory();
  using gate = await makeGate(directory.path);
  const { stdout, exitCode } = await sh(
    `setsid sh -c 'echo $$; echo > "$GATE"; exec sleep 1000' & read _ < "$GATE"`,
    undefined,
    { GATE: gate.path },
    { drainMs: 20, closeMs: 20 },
  );
  using cleanup = new DisposableStack();
  cleanup.defer(() => endProcess(Number(stdout)));
  assertEquals(exitCode, 0);
  assert(/^\d+\n$/.test(stdout));
});

Deno.test("capture() reads both streams at the same time", async () => {
  await using directory = await temporaryDirectory();
  using gate = await makeGate(directory.path);
  const result = sh(
    `head -c 1000000 /dev/zero >&2; read _ < "$GATE"; echo done`,
    undefined,
    { GATE: gate.path },
  );
  await gate.open();
  const { stdout, stderr } = await result;
  assertEquals([stdout, stderr.length], ["done\n", 1_000_000]);
});
