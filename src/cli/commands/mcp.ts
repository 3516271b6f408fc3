import { VERSION } from "../../package_version.ts";
import { onAbort } from "../../process/cancellation.ts";
import { maskEnvironment } from "../../runner/mask_secrets.ts";
import { cancelOnSignal, findDirectory } from "../actions.ts";
import type { CliCommand } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

export const mcpCommand: CliCommand = {
  usage: "[DIRECTORY] [OPTIONS]",
  description:
    `Serves a directory (by default, the current one) to coding agents through the
Model Context Protocol, on standard input and output. Agents can list what the
directory defines, validate files, and read the results and logs of runs. They
can run jobs and workflows only with --allow-run, because a job can do anything
that you can.

Exits at the end of its input.`,
  examples: [
    ["mcp", "Let an agent read definitions and runs"],
    ["mcp --allow-run", "Let it run jobs and workflows as well"],
  ],
  flags: [{
    name: "allow-run",
    help: "Let clients run the jobs and workflows of the directory",
  }],
  maxOperands: 1,
  async run(context) {
    const { operands: [directory = "."], isOn, runProgram } = context;
    const { host, stdout, masker } = context.runner;
    const { stdin } = host;
    if (stdin === undefined || stdin.isTerminal()) {
      throw usageError(
        "Standard input must be a connection to an MCP client, not a terminal",
        "mcp",
      );
    }
    const root = await findDirectory(directory, host, "Cannot serve");
    maskEnvironment(masker, host, {}, { hasJobFile: true });
    const [{ serveTools }, { createTools }] = await Promise.all([
      import("../mcp/serve_tools.ts"),
      import("../mcp/tools.ts"),
    ]);
    const allowsRuns = isOn("allow-run");
    await cancelOnSignal(host, async ({ graceful: signal }) => {
      await serveTools({
        tools: createTools({ root, host, runProgram, allowsRuns }),
        instructions: allowsRuns
          ? "Run, validate and inspect the CI jobs and workflows of a directory"
          : "Validate and inspect the CI jobs and workflows of a directory",
        version: VERSION,
        input: untilAborted(stdin.readable, signal),
        mask: (text) => masker.maskText(text),
        write: (bytes) => stdout.write(bytes),
      });
      signal.throwIfAborted();
    });
    return 0;
  },
};

/** Reads a stream until a signal is aborted. */
async function* untilAborted(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  using _ = onAbort(signal, () => void reader.cancel().catch(() => {}));
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}
