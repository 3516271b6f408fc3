import type { Benchmark } from "./measure.ts";
import { measureTime, runnerlibJob, start, uiServer } from "./programs.ts";

/**
 * Overhead of the record of a run, and of a page that is open in a browser during
 * the run.
 *
 * @param directory Directory to work in.
 * @param stepCount Number of steps that do nothing, two at a time.
 * @returns The benchmark. Dispose it to stop the server of the page.
 */
export async function record(
  directory: string,
  stepCount: number,
): Promise<Benchmark & AsyncDisposable> {
  const steps = Array.from({ length: stepCount }, (_, index) => ({
    name: `s${index}`,
    run: "true",
  }));
  await Deno.writeTextFile(
    `${directory}/recorded.json`,
    JSON.stringify({ steps }),
  );
  const job = runnerlibJob("recorded.json", "--concurrency", "2");
  const child = start(uiServer(), { cwd: directory, readStdout: true });
  const address = await firstLine(child.stdout);

  async function measureWithPage(): Promise<number> {
    const closing = new AbortController();
    const watching = watch(address, closing.signal);
    try {
      return await measureTime(job, directory);
    } finally {
      closing.abort();
      await watching;
    }
  }

  const [recorded, unrecorded, watched] = [
    "with a record",
    "without one",
    "with a page",
  ];
  return {
    title: `Record of ${stepCount.toLocaleString("en")} steps`,
    unit: "ms",
    variants: [
      {
        name: unrecorded,
        measure: () => measureTime([...job, "--record=off"], directory),
      },
      { name: recorded, measure: () => measureTime(job, directory) },
      { name: watched, measure: measureWithPage },
    ],
    comparisons: [
      { subject: recorded, floor: unrecorded, goal: "G3b" },
      { subject: watched, floor: recorded, goal: "G3c" },
    ],
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("\n")) break;
  }
  return text.trim();
}

/** Sends the same requests as the page in a browser: follows the run and reloads its content. */
async function watch(address: string, signal: AbortSignal): Promise<void> {
  try {
    let id: string | undefined;
    while (id === undefined) {
      const { html } = await (await fetch(`${address}content`, { signal }))
        .json();
      id = html.match(/run\/([0-9a-f]{32})\//)?.[1];
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const run = `${address}run/${id}/`;
    const { body } = await fetch(`${run}events`, { signal });
    if (body === null) return;
    for await (const part of body.pipeThrough(new TextDecoderStream())) {
      if (!part.includes("event: change")) continue;
      await (await fetch(`${run}content`, { signal })).text();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
