/** Pull requests in real repositories, against a policy that allows everything. */

import { assert, assertEquals } from "@std/assert";
import { afterAll, afterEach, beforeAll, describe, it } from "@std/testing/bdd";
import {
  type GitRepository,
  makeRepository,
} from "../helpers/git_repository.ts";
import { runMain } from "../helpers/run_main.ts";
import { makeFiles } from "../helpers/temporary_directory.ts";
import { decodeDocument } from "../helpers/trigger_decoder.ts";

const FILE = ".reactorcide/workflows/ci.yaml";

const workflow = (command: string) =>
  `id: ci
name: CI
on: { events: [pull_request_updated] }
paths: { include: [src/**] }
jobs:
  gate: { command: ${command} }
  test: { command: ${command} }
`;

/** Everything is allowed, but the job "gate" stays trusted. */
const POLICY = JSON.stringify({
  version: 1,
  head_ci: [{
    id: "anybody",
    workflows: ["ci"],
    paths: ["**"],
    head_repository: "any",
    use: {
      ci_source: "head",
      profile: "limited",
      workers: "pool",
      base_nodes: [{
        nodes: ["gate"],
        ci_source: "base",
        profile: "standard",
        workers: "default",
      }],
    },
  }],
});

interface Pull {
  /** Changes the clone and commits; a change in `src` is there already. */
  change(fork: GitRepository): Promise<unknown>;
  /** Whether the trusted or the proposed definition runs. */
  origin: "base" | "head";
}

const removed = async (fork: GitRepository, ...paths: string[]) => {
  await fork.git("rm", "-r", "-q", "--", ...paths);
};

const HEADS: Record<string, Pull> = {
  "a change of code": {
    change: () => Promise.resolve(),
    origin: "base",
  },
  "a change of the workflow": {
    change: (fork) => fork.commit({ [FILE]: workflow("theirs") }),
    origin: "head",
  },
  "a workflow that is moved as it is": {
    async change(fork) {
      await fork.git("mv", FILE, ".reactorcide/workflows/moved.yaml");
      await fork.commit({});
    },
    origin: "head",
  },
  "a workflow that is moved out of sight": {
    async change(fork) {
      await fork.git("mv", FILE, "docs.yaml");
      await fork.commit({});
    },
    origin: "base",
  },
  "no definitions at all": {
    async change(fork) {
      await removed(fork, ".reactorcide");
      await fork.commit({});
    },
    origin: "base",
  },
  "a file in their place": {
    async change(fork) {
      await removed(fork, ".reactorcide");
      await fork.commit({ ".reactorcide": "nothing" });
    },
    origin: "base",
  },
  "a submodule in their place": {
    async change(fork) {
      await removed(fork, ".reactorcide");
      await makeFiles(fork.path, {
        ".gitmodules":
          '[submodule "x"]\n\tpath = .reactorcide\n\turl = ./nowhere\n',
      });
      await fork.git("add", ".gitmodules");
      const commit = await fork.git("rev-parse", "HEAD");
      await fork.git(
        ...["update-index", "--add", "--cacheinfo"],
        `160000,${commit},.reactorcide`,
      );
      await fork.git("commit", "--quiet", "--message", "Submodule");
    },
    origin: "base",
  },
  "a link in their place": {
    async change(fork) {
      await removed(fork, ".reactorcide");
      await Deno.symlink("elsewhere", `${fork.path}/.reactorcide`);
      await fork.commit({ "elsewhere/workflows/ci.yaml": workflow("theirs") });
    },
    origin: "head",
  },
  "a link to the trusted tree": {
    async change(fork) {
      await removed(fork, FILE);
      await makeFiles(fork.path, { ".reactorcide/x": "" });
      await Deno.mkdir(`${fork.path}/.reactorcide/workflows`, {
        recursive: true,
      });
      await Deno.symlink(`../../../base/${FILE}`, `${fork.path}/${FILE}`);
      await fork.commit({});
    },
    origin: "base",
  },
  "another encoding by attributes": {
    async change(fork) {
      await fork.commit({ [FILE]: workflow("theirs") });
      await makeFiles(fork.path, {
        ".gitattributes": "*.yaml working-tree-encoding=UTF-16\n",
      });
      await fork.git("add", ".gitattributes");
      await fork.git("commit", "--quiet", "--message", "Encoding");
    },
    origin: "base",
  },
  "other line ends by attributes": {
    change: (fork) =>
      fork.commit({
        [FILE]: workflow("theirs"),
        ".gitattributes": "* text eol=crlf\n",
      }),
    origin: "head",
  },
  "a filter by attributes": {
    change: (fork) =>
      fork.commit({
        [FILE]: workflow("theirs"),
        ".gitattributes": "*.yaml filter=lfs diff=lfs merge=lfs\n",
      }),
    origin: "head",
  },
  "names that differ in case": {
    change: (fork) =>
      fork.commit({
        ".Reactorcide/workflows/ci.yaml": workflow("theirs"),
        ".reactorcide/Workflows/ci.yaml": workflow("theirs"),
        ".reactorcide/workflows/CI.yaml": workflow("theirs"),
      }),
    origin: "base",
  },
  "a binary file": {
    async change(fork) {
      await Deno.writeFile(
        `${fork.path}/${FILE}`,
        new Uint8Array([0, 255, 10]),
      );
      await fork.commit({});
    },
    origin: "base",
  },
};

/** Evaluates the pull request as a worker does, with nothing fetched before. */
async function evaluate(path: string, base: string, { change }: Pull) {
  const upstream = `${path}/upstream`;
  const fork = await makeRepository(`${path}/fork`);
  await fork.git("fetch", "--quiet", upstream, "main");
  await fork.git("checkout", "--quiet", "-b", "topic", "FETCH_HEAD");
  await fork.commit({ "src/a.txt": "2" });
  await change(fork);
  const head = await fork.git("rev-parse", "HEAD");
  const { code, stderr } = await runMain(["eval"], {
    cwd: path,
    env: {
      REACTORCIDE_WORKSPACE: `${path}/job`,
      REACTORCIDE_EVENT_TYPE: "pull_request_updated",
      REACTORCIDE_PR_NUMBER: "7",
      REACTORCIDE_BRANCH: "main",
      REACTORCIDE_BASE_REF: "main",
      REACTORCIDE_PR_BASE_REF: "main",
      REACTORCIDE_IS_FORK_PR: "true",
      REACTORCIDE_DIFF_BASE: base,
      REACTORCIDE_CI_SOURCE_URL: upstream,
      REACTORCIDE_CI_SOURCE_REF: base,
      REACTORCIDE_SOURCE_URL: fork.path,
      REACTORCIDE_HEAD_URL: fork.path,
      REACTORCIDE_SHA: head,
      REACTORCIDE_CI_POLICY: POLICY,
    },
  });
  const text = await Deno.readTextFile(`${path}/job/triggers.json`);
  decodeDocument(text);
  const { workflows } = JSON.parse(text) as {
    workflows: {
      id: string;
      ci_origin: string;
      jobs: { job_name: string; job_command: string }[];
    }[];
  };
  return { code, stderr, workflows };
}

describe("runnerlib eval keeps the trusted jobs of a pull request with", () => {
  let path: string;
  let base: string;

  beforeAll(async () => {
    path = await Deno.makeTempDir();
    const upstream = await makeRepository(`${path}/upstream`);
    base = await upstream.commit({
      [FILE]: workflow("ours"),
      "src/a.txt": "1",
    });
  });
  afterAll(() => Deno.remove(path, { recursive: true }));
  afterEach(async () => {
    await Deno.remove(`${path}/fork`, { recursive: true });
    await Deno.remove(`${path}/job`, { recursive: true });
  });

  for (const [name, pull] of Object.entries(HEADS)) {
    it(name, async () => {
      const { code, stderr, workflows } = await evaluate(path, base, pull);
      assertEquals(code, 0, stderr);
      assertEquals(
        workflows.map(({ id, ci_origin }) => [id, ci_origin]),
        [["ci", pull.origin]],
        stderr,
      );
      const gate = workflows[0].jobs.find(({ job_name }) =>
        job_name === "gate"
      );
      assert(gate?.job_command.includes("'ours'"), stderr);
    });
  }
});
