import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { evalDocument } from "../../src/workflow/eval/eval_document.ts";
import { evalPlan } from "../../src/workflow/eval/eval_plan.ts";
import { loadHead, loadTree } from "../../src/workflow/eval/load_tree.ts";
import type { Policy } from "../../src/workflow/eval/policy.ts";
import { createPolicy } from "../helpers/pull_requests/policy.ts";
import { EVENT, pullRequestEvent } from "../helpers/pull_requests/trees.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const MAIN = ".reactorcide/workflows/main.yaml";
const HEADER = `id: main\nname: Main\non: { events: [${EVENT}] }\n`;
const TRUSTED = `${HEADER}jobs: { test: { command: trusted } }\n`;

/** A policy that allows every change, except to jobs that stay trusted. */
const policyWith = (...nodes: string[]) =>
  createPolicy([{
    id: "all",
    workflows: ["main"],
    paths: [".reactorcide/**"],
    head_repository: "any",
    nodes,
  }]);

const GENEROUS = await policyWith();
const GUARDED = await policyWith("test");

interface Attack {
  readonly policy?: Policy;
  readonly files: Record<string, string>;
  readonly changedFiles?: readonly string[];
  readonly signal?: AbortSignal;
}

async function evaluate(
  root: string,
  { policy = GENEROUS, files, changedFiles = [MAIN], signal }: Attack,
) {
  const problems: string[] = [];
  await makeFiles(root, { [`base/${MAIN}`]: TRUSTED });
  const heads = Object.entries(files)
    .map(([path, text]) => [`head/${path}`, text]);
  await makeFiles(root, Object.fromEntries(heads));
  const event = pullRequestEvent();
  const fail = (problem: string) => {
    throw new Error(problem);
  };
  const plan = evalPlan({
    event,
    base: await loadTree(`${root}/base`, fail),
    changedFiles,
    policy,
    policyRevision: "rev",
    pullRequest: {
      head: await loadHead(
        `${root}/head`,
        (problem) => problems.push(problem),
        signal,
      ),
      actor: "someone",
      actorSubjects: [],
      approvals: [],
      now: 0,
    },
    marksSkipped: false,
  });
  const document = evalDocument(plan, event, fail);
  assert(document !== undefined && "workflows" in document);
  const commands = document.workflows.flatMap(({ jobs }) =>
    jobs.map((job) => String(job.job_command))
  );
  return { document, commands, problems };
}

const TRUSTED_COMMAND = "runnerlib run --job-command 'trusted'";
const isTrusted = (commands: readonly string[]) =>
  assertEquals(commands, [TRUSTED_COMMAND]);

const long = "x".repeat(500_000);
const many = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join("");

describe("a pull request", () => {
  it("is used where the policy allows it", async () => {
    await using directory = await temporaryDirectory();
    const { commands } = await evaluate(directory.path, {
      files: { [MAIN]: TRUSTED.replace("trusted", "proposed") },
    });
    assertEquals(commands, ["runnerlib run --job-command 'proposed'"]);
  });

  it("cannot expand to more text than fits into the document", async () => {
    const attacks: Attack["files"][] = [
      {
        [MAIN]: `${HEADER}vars:\n  s: &s ${long}\n  l: [${
          many(50_000, () => "*s,")
        }]\njobs: { test: { command: x } }`,
      },
      {
        [MAIN]: `${HEADER}jobs:\n  t: { command: &s ${long} }\n${
          many(10_000, (index) => `  t${index}: { command: *s }\n`)
        }`,
      },
      {
        [MAIN]:
          `${HEADER}jobs:\n  t: { command: x, environment: &e { ${long}: a } }\n${
            many(10_000, (index) =>
              `  t${index}: { command: x, environment: *e }\n`)
          }`,
      },
      {
        [MAIN]: `${HEADER}jobs:\n${
          many(10_000, (index) => `  t${index}: { job_file: a.yaml }\n`)
        }`,
        ".reactorcide/jobs/a.yaml": `job: { command: ${long} }`,
      },
      {
        [MAIN]: `${HEADER}jobs:\n${
          many(10_000, (index) => `  t${index}: { job_file: a.yaml }\n`)
        }`,
        ".reactorcide/jobs/a.yaml":
          `job: { command: x }\nenvironment: { A: ${long} }`,
      },
    ];
    for (const files of attacks) {
      await using directory = await temporaryDirectory();
      const { commands, document } = await evaluate(directory.path, { files });
      isTrusted(commands);
      assertEquals(document.policy_violations.length, 1);
    }
  });

  it("cannot fill the document with changed files", async () => {
    const names = Array.from(
      { length: 60_000 },
      (_, index) => `.reactorcide/x/${"\u0001".repeat(50)}${index}`,
    );
    for (const changedFiles of [[MAIN, ...names], [...names, MAIN]]) {
      await using directory = await temporaryDirectory();
      const { commands, document } = await evaluate(directory.path, {
        files: { [MAIN]: TRUSTED.replace("trusted", "proposed") },
        changedFiles,
      });
      isTrusted(commands);
      const bytes = new TextEncoder().encode(JSON.stringify(document)).length;
      assert(bytes < 4 * 1024 * 1024, `${bytes}`);
      assert(document.changed_ci_paths.length > 1_000);
      assert(document.policy_violations.length > 1_000);
    }
  });

  it("cannot abort the evaluation, however deep or large it is", async () => {
    // Each line contains the one before, which needs no deep parser.
    const deep = `vars:\n  v0: &v0 [x]\n${
      many(40_000, (index) => `  v${index + 1}: &v${index + 1} [*v${index}]\n`)
    }`;
    const chain = `jobs:\n${
      many(3_000, (index) =>
        `  t${index + 1}: { command: x, needs: [t${index}] }\n`)
    }  t0: { command: x }\n`;
    const items = `jobs:\n  t: { command: x, for_each: &i [${
      many(20_000, () => "a,")
    }], environment: { ${many(5_000, (index) => `E${index}: a, `)} } }\n${
      many(50, (index) => `  t${index}: { command: x, for_each: *i }\n`)
    }`;
    const nested = `vars: { a: ${"[".repeat(20_000)}${"]".repeat(20_000)} }\n`;
    const bodies = [
      `${deep}jobs: { a: { command: x } }`,
      chain,
      items,
      `${nested}jobs: { a: { command: x } }`,
      `jobs: { a: { command: x, resources: ${"{ a: ".repeat(5_000)}${
        "}".repeat(5_000)
      } } }`,
    ];
    for (const policy of [GENEROUS, GUARDED]) {
      for (const body of bodies) {
        await using directory = await temporaryDirectory();
        const { commands, document } = await evaluate(directory.path, {
          policy,
          files: { [MAIN]: HEADER + body },
        });
        JSON.stringify(document);
        const [{ ci_origin }] = document.workflows;
        if (ci_origin === "base") isTrusted(commands);
        else {assertEquals(
            commands.includes(TRUSTED_COMMAND),
            policy === GUARDED,
          );}
      }
    }
  });

  it("is not used when reading it takes too long", async () => {
    await using directory = await temporaryDirectory();
    const { commands, problems } = await evaluate(directory.path, {
      files: {
        [MAIN]: `${HEADER}jobs:\n${
          many(100, (index) => `  t${index}: { job_file: ${index}.yaml }\n`)
        }`,
      },
      signal: AbortSignal.abort(),
    });
    isTrusted(commands);
    assertEquals(problems, [
      "Cannot read the workflows: there are too many, or they are too complex",
    ]);
  });

  it("uses no file outside its tree", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "outside/main.yaml": TRUSTED.replace("trusted", "outside"),
      "head/.reactorcide/x": "",
    });
    await Deno.mkdir(`${path}/head/.reactorcide/workflows`);
    await Deno.symlink(`${path}/outside/main.yaml`, `${path}/head/${MAIN}`);
    const one = await evaluate(path, { files: {} });
    isTrusted(one.commands);
    assertEquals(one.problems.length, 1);
    await Deno.remove(`${path}/head/.reactorcide/workflows`, {
      recursive: true,
    });
    await Deno.symlink(
      `${path}/outside`,
      `${path}/head/.reactorcide/workflows`,
    );
    const all = await evaluate(path, { files: {} });
    isTrusted(all.commands);
    assertEquals(all.problems.length, 1);
  });
});
