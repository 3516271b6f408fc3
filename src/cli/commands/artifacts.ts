import type { ArtifactStore } from "../../artifacts/artifact.ts";
import {
  listArtifacts,
  type ListedArtifact,
  lookUpArtifacts,
  readArtifactFiles,
} from "../../artifacts/artifact_manifest.ts";
import { openArtifactStore } from "../../artifacts/job_artifacts.ts";
import { restoreArtifacts } from "../../artifacts/restore_artifacts.ts";
import { osReason, RunnerError } from "../../errors.ts";
import {
  TEMPORARY_DIRECTORY,
  temporaryParents,
} from "../../fs/temporary_directory.ts";
import { absolutePath, normalizePath } from "../../job_path.ts";
import { isObject } from "../../json_value.ts";
import type { Cancellation } from "../../process/cancellation.ts";
import {
  readStateFile,
  STATE_FILE,
  withoutIndex,
} from "../../state/job_outcome.ts";
import { didYouMean, suggest } from "../../suggest.ts";
import { printable } from "../../terminal/text.ts";
import { savedArtifacts } from "../../workflow/local/workflow_artifacts.ts";
import type { LocalJobState } from "../../workflow/local/workflow_state.ts";
import { guardPath, realPath } from "../../workspace/guard.ts";
import { cancelOnSignal, findAction } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

type ArtifactsAction = (
  context: CommandContext,
  name: string | undefined,
) => Promise<void>;

const ACTIONS: Readonly<Record<string, ArtifactsAction>> = {
  async list(context, name) {
    await (name === undefined
      ? showArtifacts(context)
      : showFiles(context, name));
  },
  get: getArtifacts,
};

export const artifactsCommand: CliCommand = {
  usage: "list [NAME] | get [NAME] [OPTIONS]",
  description:
    `Lists the artifacts of the last run of a workflow in the current directory, or gets
their files.

Actions:
  list         Print the artifacts
  list NAME    Print the files of an artifact: permissions, size, SHA-256, path
  get NAME     Write the files of an artifact to --output, by default ./NAME
  get          Write the files of all artifacts to NAME in --output, by default
               the current directory

Existing files are replaced. Nothing is written through a link.`,
  examples: [
    ["artifacts list", "Print the artifacts of the last run"],
    ["artifacts get app --output dist", "Write the files of app to dist"],
  ],
  flags: [
    {
      name: "job",
      valueName: "JOB",
      names: "job",
      help: "Only artifacts of a job, or of one item of its for_each: JOB[0]",
    },
    {
      name: "run",
      valueName: "ID",
      help: "Artifacts of another run, which --all lists",
    },
    {
      name: "all",
      help: "List the artifacts of all runs in the store",
    },
    {
      name: "output",
      short: "o",
      valueName: "DIR",
      help: "Directory for the files",
    },
    { name: "json", help: "Print JSON" },
  ],
  actions: Object.keys(ACTIONS),
  maxOperands: 2,
  run: runArtifactsAction,
};

async function runArtifactsAction(context: CommandContext): Promise<number> {
  const { operands: [action, name], runner: { logger } } = context;
  const run = findAction(ACTIONS, action, { command: "artifacts" });
  await run(context, name);
  await logger.flush();
  return 0;
}

/** Prints the artifacts. */
async function showArtifacts(context: CommandContext): Promise<void> {
  await useStore(context, async (store, cancellation) => {
    const found = await findArtifacts(context, store, cancellation);
    if (context.isOn("json")) {
      return await context.print(
        JSON.stringify(found.map(toJson), null, 2),
      );
    }
    for (const { job, name, run, bytes, count, manifest } of found) {
      const state = manifest === undefined
        ? "no longer in the store"
        : `expires ${new Date(manifest.expiresMs).toISOString()}`;
      const owner = manifest?.workflow ?? "";
      const origin = context.isOn("all") ? `  ${owner}  ${run}` : "";
      await context.print(
        printable(
          `${job}  ${name}  ${count} files, ${bytes} bytes  ${state}${origin}`,
        ),
      );
    }
  });
}

/** Prints the files of an artifact. */
async function showFiles(
  context: CommandContext,
  name: string,
): Promise<void> {
  await useStore(context, async (store, cancellation) => {
    const found = selectArtifacts(
      name,
      await findArtifacts(context, store, cancellation),
    );
    const lists = await Promise.all(
      found.map(async (artifact) =>
        artifact.manifest === undefined
          ? Promise.reject(missingArtifactError(artifact))
          : await readArtifactFiles(
            artifact.manifest,
            store.store,
            cancellation.graceful,
          )
      ),
    );
    const files = lists.flat();
    if (context.isOn("json")) {
      return await context.print(JSON.stringify(files, null, 2));
    }
    for (const { path, type, mode, size, sha256 = "", target } of files) {
      const what = type === "file" ? sha256 : type;
      const arrow = target === undefined ? "" : ` -> ${target}`;
      await context.print(
        printable(
          `${
            mode.toString(8).padStart(3, "0")
          }  ${size}  ${what}  ${path}${arrow}`
            .toWellFormed(),
        ),
      );
    }
  });
}

/** Writes the files of one artifact, or of all. */
async function getArtifacts(
  context: CommandContext,
  name: string | undefined,
): Promise<void> {
  const { flags, runner: { host: { cwd }, logger } } = context;
  const output = flags.get("output");
  const given = typeof output === "string" ? output : undefined;
  await useStore(context, async (store, cancellation) => {
    const found = await findArtifacts(context, store, cancellation);
    const names = name === undefined
      ? [...new Set(found.map((one) => one.name))]
      : [name];
    for (const one of names) {
      const artifacts = selectArtifacts(one, found);
      const place = name === undefined
        ? `${given ?? "."}/${one}`
        : given ?? one;
      const absolute = absolutePath(place, cwd);
      await writeArtifacts(
        normalizePath(absolute),
        artifacts,
        store,
        cancellation,
      );
      const bytes = artifacts.reduce((sum, { bytes }) => sum + bytes, 0);
      logger.info("artifacts", `Got ${one}`, { directory: place, bytes });
    }
  });
}

async function writeArtifacts(
  path: string,
  artifacts: readonly ListedArtifact[],
  store: ArtifactStore,
  cancellation: Cancellation,
): Promise<void> {
  let directory: string;
  let temporary: string;
  try {
    await Deno.mkdir(path, { recursive: true });
    directory = await realPath(path);
    // The user can name any directory, and it may contain links.
    temporary = await guardPath(directory, TEMPORARY_DIRECTORY);
  } catch (cause) {
    if (cause instanceof RunnerError) throw cause;
    throw new RunnerError(`Cannot write to "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
  await restoreArtifacts(
    artifacts.map((saved) => ({ saved })),
    { directory, temporary },
    store,
    cancellation,
  );
}

async function useStore(
  { runner, isOn }: CommandContext,
  action: (store: ArtifactStore, cancellation: Cancellation) => Promise<void>,
): Promise<void> {
  const { host, workspace, allowInsecureTransport } = runner;
  const store = await openArtifactStore(host, {
    allowInsecureTransport: allowInsecureTransport ||
      isOn("allow-insecure-transport"),
    temporaryParents: temporaryParents({ env: host.env, workspace }),
  });
  await cancelOnSignal(host, async (cancellation) => {
    try {
      await action(store, cancellation);
    } catch (cause) {
      cancellation.graceful.throwIfAborted();
      if (cause instanceof RunnerError) throw cause;
      throw new RunnerError(
        `Cannot use the artifact store: ${osReason(cause)}`,
        { code: "output-failed", cause },
      );
    }
  });
}

/** Finds the artifacts that the options of the command select. */
async function findArtifacts(
  context: CommandContext,
  store: ArtifactStore,
  { graceful: signal }: Cancellation,
): Promise<ListedArtifact[]> {
  const { flags, isOn } = context;
  const [run, job] = [flags.get("run"), flags.get("job")];
  const found = run === undefined && !isOn("all")
    ? await lookUpArtifacts(await readLastRun(context), store, signal)
    : (await listArtifacts(store, signal)).map((manifest) => ({
      ...manifest,
      bytes: manifest.fileBytes,
      sha256: undefined,
      manifest,
    })).filter((one) => run === undefined || one.run === run);
  return found.filter((one) =>
    job === undefined || one.job === job || withoutIndex(one.job) === job
  );
}

/** Reads which artifacts the jobs of the last workflow have saved. */
async function readLastRun({ runner: { host: { cwd } } }: CommandContext) {
  const path = `${cwd}/${STATE_FILE}`;
  const state = await readStateFile(
    path,
    (reason, cause) =>
      new RunnerError(`Cannot read "${path}": ${reason}`, {
        code: "workspace",
        cause,
      }),
  );
  if (state === null) {
    throw usageError(
      "No workflow has run in this directory; --all lists the artifacts of all runs",
      "artifacts",
    );
  }
  return [...state.records.values()].flatMap((record) =>
    isObject(record) ? savedArtifacts(record as unknown as LocalJobState) : []
  );
}

/** Selects the artifacts with a name, which must come from one job. */
function selectArtifacts(
  name: string,
  found: readonly ListedArtifact[],
): readonly ListedArtifact[] {
  const selected = found.filter((one) => one.name === name);
  if (selected.length === 0) {
    const near = suggest(name, found.map((one) => one.name));
    throw new RunnerError(
      `Cannot get artifact ${JSON.stringify(name)}: no job has saved it` +
        didYouMean(near),
      { code: "workspace" },
    );
  }
  const owners = new Set(
    selected.map(({ run, job }) => `${run} ${withoutIndex(job)}`),
  );
  if (owners.size === 1) return selected;
  const jobs = [...new Set(selected.map(({ job }) => withoutIndex(job)))];
  throw usageError(
    jobs.length > 1
      ? `Several jobs have saved artifact "${name}": select one with --job: ${
        jobs.join(", ")
      }`
      : `Several runs have saved artifact "${name}": select one with --run`,
    "artifacts",
  );
}

function missingArtifactError({ name, job }: ListedArtifact): RunnerError {
  return new RunnerError(
    `Cannot read artifact "${name}" of job "${job}": it is not in the store; it may have expired`,
    { code: "workspace" },
  );
}

function toJson({ manifest, ...saved }: ListedArtifact) {
  const { namespace, run, job, name, bytes, count } = saved;
  return {
    ...{ job, name, files: count, bytes, namespace, run },
    workflow: manifest?.workflow ?? null,
    createdMs: manifest?.createdMs ?? null,
    expiresMs: manifest?.expiresMs ?? null,
    isStored: manifest !== undefined,
  };
}
