import { dirname } from "@std/path/posix/dirname";
import { osReason, RunnerError } from "../../errors.ts";
import { writeAll } from "../../fs/files.ts";
import { guardPath } from "../../workspace/guard.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { runnerInWorkDir, WORK_DIR_FLAG } from "../job_location.ts";
import { usageError } from "../parse_arguments.ts";
import { LIBRARY, libraryImports } from "../pipeline_imports.ts";
import { formatRows, getHelpColumns } from "./help.ts";

/** Kinds of starter files, with descriptions. */
const KINDS: Readonly<Record<string, string>> = {
  job: "a job of shell commands: job.yaml",
  pipeline: "a job in TypeScript: pipeline.ts and deno.json",
  workflow: "jobs that depend on each other: .reactorcide/workflows/ci.yaml",
  plugin: "code that runs around every job: plugins/plugin_hello.ts",
};

const DEFAULT_KIND = "job";

export const initCommand: CliCommand = {
  usage: "[KIND] [OPTIONS]",
  description:
    `Writes starter files that run as they are, and shows the command that runs them.
Never overwrites a file. Without KIND, prompts for it on a terminal, and
otherwise writes a job.

Kinds:
${
      Object.entries(KINDS).map(([name, what]) =>
        `  ${name.padEnd(8)}  ${what}`
      ).join(
        "\n",
      )
    }`,
  examples: [
    ["init", "Write a first job.yaml, or choose something else"],
    ["init --pipeline", "Write a pipeline in TypeScript"],
  ],
  flags: [
    ...Object.keys(KINDS).map((kind) => ({
      name: kind,
      help: `Same as "init ${kind}"`,
    })),
    WORK_DIR_FLAG,
  ],
  actions: Object.keys(KINDS),
  maxOperands: 1,
  async run(context) {
    const kind = await findKind(context);
    const { host: { cwd } } = runnerInWorkDir(context);
    const { files, shared = {}, next, notes = [] } = await STARTER_FILES[kind](
      cwd,
    );
    const present = await findPresentPaths(cwd, Object.keys(files));
    if (present.length > 0) throw existsError(present);
    const kept = await findPresentPaths(cwd, Object.keys(shared));
    const written = Object.entries({ ...files, ...shared })
      .filter(([path]) => !kept.includes(path));
    await writeNew(cwd, written);
    await context.print([
      ...written.map(([path]) => `Wrote ${path}`),
      ...notes,
      "",
      "Run it:",
      `  ${next}`,
    ].join("\n"));
    return 0;
  },
};

/** Returns the given kind, or the one that the user chooses on a terminal. */
async function findKind(context: CommandContext): Promise<string> {
  const { operands, isOn } = context;
  const given = [
    ...operands,
    ...Object.keys(KINDS).filter((kind) => isOn(kind)),
  ];
  if (given.length > 1) {
    throw usageError(
      `Only one kind can be written, not ${given.join(" and ")}`,
      "init",
    );
  }
  const [kind = await chooseKind(context)] = given;
  if (Object.hasOwn(KINDS, kind)) return kind;
  const names = Object.keys(KINDS).join(", ");
  throw usageError(`The kind must be one of ${names}`, "init");
}

/** Prompts for the number or the name of a kind. */
async function chooseKind(
  { runner: { host, stdout }, print }: CommandContext,
): Promise<string> {
  const { stdin } = host;
  if (!stdin?.isTerminal() || !host.stdout.isTerminal()) return DEFAULT_KIND;
  const kinds = Object.entries(KINDS);
  await print([
    "What do you want to write?",
    ...formatRows(
      kinds.map(([name, what], at) => [`${at + 1}) ${name}`, what]),
      getHelpColumns(host),
    ),
  ].join("\n"));
  await stdout.write(
    new TextEncoder().encode(`Number or name (${DEFAULT_KIND}): `),
  );
  const { readText } = await import("../read_input.ts");
  const line = await readText(stdin.readable, { limit: 100, firstLine: true });
  const answer = line?.trim() || DEFAULT_KIND;
  return kinds[Number(answer) - 1]?.[0] ?? answer;
}

async function findPresentPaths(
  cwd: string,
  paths: readonly string[],
): Promise<string[]> {
  const present: string[] = [];
  for (const path of paths) {
    try {
      await Deno.lstat(`${cwd}/${path}`);
      present.push(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw writeError(path, error);
      }
    }
  }
  return present;
}

/** Writes all files or none, so that a failed attempt can be repeated. */
async function writeNew(
  cwd: string,
  files: readonly (readonly [path: string, text: string])[],
): Promise<void> {
  await using undo = new AsyncDisposableStack();
  for (const [path, text] of files) {
    // A repository may contain a link in place of a directory.
    const file = await guardPath(cwd, path);
    try {
      await Deno.mkdir(dirname(file), { recursive: true });
      using created = await Deno.open(file, { write: true, createNew: true });
      undo.defer(() => Deno.remove(file));
      await writeAll(created, new TextEncoder().encode(text));
    } catch (error) {
      throw writeError(path, error);
    }
  }
  undo.move();
}

function existsError(paths: readonly string[]): RunnerError {
  const names = paths.map((path) => `"${path}"`).join(" and ");
  return new RunnerError(
    `Cannot write ${names}: ${
      paths.length === 1 ? "it" : "they"
    } already exist${paths.length === 1 ? "s" : ""}; move or remove ${
      paths.length === 1 ? "it" : "them"
    } first`,
    { code: "workspace" },
  );
}

function writeError(path: string, cause: unknown): RunnerError {
  return new RunnerError(`Cannot write "${path}": ${osReason(cause)}`, {
    code: "workspace",
    cause,
  });
}

/** Files that `init` writes for one kind of project. */
interface StarterFiles {
  /** Contents of new files by relative path. */
  readonly files: Readonly<Record<string, string>>;
  /** Contents by relative path of files that are kept if they exist. */
  readonly shared?: Readonly<Record<string, string>>;
  /** Command that runs the result. */
  readonly next: string;
  /** Further notes for the user. */
  readonly notes?: readonly string[];
}

/** Creates the starter files of each kind. */
const STARTER_FILES: Readonly<
  Record<string, (cwd: string) => Promise<StarterFiles>>
> = {
  job: createJobFiles,
  pipeline: createPipelineFiles,
  workflow: createWorkflowFiles,
  plugin: createPluginFiles,
};

async function createJobFiles(): Promise<StarterFiles> {
  const { default: text } = await import("../starter_files/job.yaml.txt", {
    with: { type: "text" },
  });
  const { jobFileSchema } = await import("../../config/job_keys.ts");
  const schema = ".reactorcide/job.schema.json";
  return {
    files: {
      "job.yaml": text,
    },
    shared: { [schema]: `${JSON.stringify(jobFileSchema())}\n` },
    next: "runnerlib run",
  };
}

async function createWorkflowFiles(): Promise<StarterFiles> {
  const { default: text } = await import("../starter_files/workflow.yaml.txt", {
    with: { type: "text" },
  });
  const { workflowSchema } = await import(
    "../../workflow/definition/json_schemas.ts"
  );
  const path = ".reactorcide/workflows/ci.yaml";
  return {
    files: {
      [path]: text,
    },
    shared: {
      ".reactorcide/workflow.schema.json": `${
        JSON.stringify(workflowSchema())
      }\n`,
    },
    next: `runnerlib workflow run ${path}`,
  };
}

async function createPluginFiles(): Promise<StarterFiles> {
  const { default: text } = await import("../starter_files/plugin.ts.txt", {
    with: { type: "text" },
  });
  return {
    files: {
      "plugins/plugin_hello.ts": text,
    },
    next:
      `runnerlib run --plugin-dir plugins --allow-plugin hello:env=GREETING --secret-env-names none -- sh -c 'echo "$GREETING"'`,
  };
}

async function createPipelineFiles(cwd: string): Promise<StarterFiles> {
  const { default: text } = await import("../starter_files/pipeline.ts.txt", {
    with: { type: "text" },
  });
  const { imports: { [LIBRARY]: library }, scopes } = await libraryImports();
  const imports = { [LIBRARY]: library };
  const [config] = await findPresentPaths(cwd, ["deno.json", "deno.jsonc"]);
  const deno = {
    // Ignore the node_modules of a package.json in a parent directory.
    nodeModulesDir: "none",
    imports,
    // Imports of the library itself, if it is in a checkout.
    ...Object.keys(scopes).length === 0 ? {} : { scopes },
  };
  return {
    files: {
      "pipeline.ts": text,
      ...config === undefined
        ? { "deno.json": `${JSON.stringify(deno, null, 2)}\n` }
        : {},
    },
    next: "runnerlib exec pipeline.ts",
    ...config === undefined ? {} : {
      notes: [
        `Kept ${config}; for types in the editor, add to its "imports":`,
        ...Object.entries(imports)
          .map((entry) =>
            `  ${entry.map((text) => JSON.stringify(text)).join(": ")}`
          ),
      ],
    },
  };
}
