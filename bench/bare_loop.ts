/**
 * Passes on the output of a command with the least work that Deno allows: two
 * alternating buffers, several reads per write, and no inspection of the bytes.
 * Any additional time is the overhead of the runner.
 *
 * @module
 */

const READ_BYTES = 64 * 1024;
const BATCH_BYTES = 4 * READ_BYTES;

/**
 * Passes on the output of a command, and exits as the command does.
 *
 * @param argv Program and arguments.
 * @param inspect Called with the bytes of each write before it.
 */
export async function passOn(
  argv: readonly string[],
  inspect: (bytes: Uint8Array<ArrayBuffer>) => void = () => {},
): Promise<never> {
  const [program, ...args] = argv;
  const child = new Deno.Command(program, { args, stdout: "piped" }).spawn();
  const reader = child.stdout.getReader({ mode: "byob" });
  let batch = new Uint8Array(BATCH_BYTES);
  let spare = new Uint8Array(BATCH_BYTES);
  let filled = 0;
  let writing = Promise.resolve();

  /** Waits for the last write only. */
  async function flush(): Promise<void> {
    inspect(batch.subarray(0, filled));
    await writing;
    writing = write(batch.subarray(0, filled));
    [batch, spare] = [spare, batch];
    filled = 0;
  }

  while (true) {
    const target = new Uint8Array(batch.buffer, filled, READ_BYTES);
    const { value, done } = await reader.read(target);
    // The read took the buffer, and gives it back even when there was nothing.
    batch = new Uint8Array(value!.buffer);
    if (done) break;
    filled += value.length;
    const isFull = filled + READ_BYTES > BATCH_BYTES;
    if (value.length === READ_BYTES && !isFull) continue;
    await flush();
  }
  await flush();
  await writing;
  Deno.exit((await child.status).code);
}

async function write(bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await Deno.stdout.write(bytes.subarray(at));
  }
}

if (import.meta.main) await passOn(Deno.args);
