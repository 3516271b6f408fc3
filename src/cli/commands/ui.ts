import { osReason, RunnerError } from "../../errors.ts";
import { cancelOnSignal, findDirectory } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

export const uiCommand: CliCommand = {
  usage: "[DIR] [--port PORT]",
  description:
    `Shows runs live in a browser: a list of the runs whose records are below DIR (the
current directory), and for each run the page of \`report --format html\` with the
output of running steps. Prints the address of the page, and serves it to this
machine until Ctrl-C.

It reads the records of runs, so runs need no option to be shown.`,
  examples: [
    ["ui", "Show the runs of this directory"],
    ["ui .. --port 8080", "Show the runs of all projects, on a fixed port"],
  ],
  flags: [
    {
      name: "port",
      valueName: "PORT",
      help: "Port on 127.0.0.1 (any free port)",
    },
  ],
  maxOperands: 1,
  async run(context) {
    const { runner: { host }, print } = context;
    const port = readPort(context);
    const directory = await findRunDirectory(context);
    const { serveRuns } = await import("../../report/ui/serve.ts");
    await cancelOnSignal(host, async ({ graceful: signal }) => {
      const server = listen(() => serveRuns({ directory, port, signal }), port);
      await print(server.url);
      await lowerPriority();
      await server.finished;
    });
    return 0;
  },
};

/** Lets jobs of the same machine run first. */
async function lowerPriority(): Promise<void> {
  // On a terminal, Deno would prompt.
  if (Deno.permissions.querySync({ name: "sys" }).state !== "granted") return;
  const { constants: { priority }, setPriority } = await import("node:os");
  try {
    setPriority(priority.PRIORITY_LOW);
  } catch {
    // Without it, the page only takes more time from jobs.
  }
}

function readPort({ flags }: CommandContext): number {
  const text = String(flags.get("port") ?? "0");
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  throw usageError(
    `Option --port must be a number up to 65535, not "${text}"`,
    "ui",
  );
}

async function findRunDirectory(
  { operands: [given = "."], runner: { host } }: CommandContext,
): Promise<string> {
  const action = "Cannot show the runs in";
  const directory = await findDirectory(given, host, action);
  if (directory !== "/") return directory;
  throw new RunnerError(
    `${action} "${given}": it is the root of the file system`,
    { code: "invalid-config" },
  );
}

function listen<T>(open: () => T, port: number): T {
  try {
    return open();
  } catch (cause) {
    throw new RunnerError(
      `Cannot listen on port ${port}: ${osReason(cause)}`,
      { code: "invalid-config", cause },
    );
  }
}
