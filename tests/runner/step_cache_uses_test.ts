import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { CacheUseRecord } from "../../src/config/step_cache_config.ts";
import { RunnerError } from "../../src/errors.ts";
import { Job } from "../../src/steps/job.ts";
import { runCli } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import { testRunner } from "../helpers/test_runner.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const RUN = ["run", "--job-file", "job.yaml"];

/** A project whose jobs share a store. */
async function project(files: Record<string, string>) {
  const directory = await temporaryDirectory();
  const cwd = `${directory.path}/project`;
  await makeFiles(cwd, { "lock": "1", ...files });
  return {
    cwd,
    store: `${directory.path}/store`,
    async run(args: string[] = RUN, env = {}) {
      const result = await runCli(args, {
        cwd,
        env: { REACTORCIDE_CACHE_STORE: `${directory.path}/store`, ...env },
      });
      return { ...result, caches: await recordedCaches(cwd) };
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** The directories in the record of the last run. */
async function recordedCaches(cwd: string): Promise<CacheUseRecord[]> {
  const path = `${cwd}/job/artifacts/run.jsonl`;
  if (!await exists(path)) return [];
  const lines = (await Deno.readTextFile(path)).trim().split("\n");
  return lines.flatMap((line) => JSON.parse(line).caches ?? []);
}

const JOB = `steps:
  - name: packages
    uses_cache:
      - name: deps
        key: "d-{hash:lock}"
        fallback: d-
        paths: modules
      - name: other
        key: o
        paths: [a, b]
    run: |
      echo "found: $(cat modules/x 2>/dev/null || echo nothing)"
      mkdir -p modules a; echo "$(cat lock)" > modules/x; touch b
`;

describe("uses_cache of a step", () => {
  it("restores before the step and saves after it, each key once", async () => {
    await using job = await project({ "job.yaml": JOB });
    const first = await job.run();
    assertStringIncludes(first.stdout, "found: nothing");
    assertMatch(first.stderr, /packages: deps: no entry for d-/);
    assertMatch(first.stderr, /packages: deps: saved d-/);
    assertEquals(
      first.caches.map(({ name, restored, saved }) => [name, restored, saved]),
      [["deps", "miss", true], ["other", "miss", true]],
    );
    await Deno.remove(`${job.cwd}/modules`, { recursive: true });
    const second = await job.run();
    assertStringIncludes(second.stdout, "found: 1");
    assertMatch(second.stderr, /packages: deps: restored d-/);
    assertEquals(
      second.caches.map(({ name, restored, saved }) => [name, restored, saved]),
      [["deps", "exact", false], ["other", "exact", false]],
    );
    await makeFiles(job.cwd, { "lock": "2" });
    const third = await job.run();
    assertStringIncludes(third.stdout, "found: 1");
    assertMatch(third.stderr, /restored d-\w+ \(fallback\)/);
    assertEquals(third.caches[0].restored, "fallback");
    assertEquals(third.caches[0].from, first.caches[0].key);
    assertEquals(third.caches[0].saved, true);
  });

  it("saves nothing after a failure, and fails no step for the store", async () => {
    await using job = await project({
      "job.yaml": JOB.replace("touch b", "touch b; test -e pass"),
      "file": "",
    });
    const failed = await job.run();
    assertEquals(failed.code, 1);
    assertEquals(failed.caches.map(({ saved }) => saved), [false, false]);
    await makeFiles(job.cwd, { "pass": "" });
    const env = { REACTORCIDE_CACHE_STORE: `${job.cwd}/file/x` };
    const broken = await job.run(undefined, env);
    assertEquals(broken.code, 0, broken.stderr);
    assertEquals(broken.stderr.match(/cannot use the store/g)?.length, 1);
    assertEquals((await job.run()).caches[0].restored, "miss");
  });

  it("is available to steps that a program defines", async () => {
    await using directory = await temporaryDirectory();
    const counts = [];
    for (let count = 0; count < 2; count++) {
      await using test = await testRunner({
        REACTORCIDE_CACHE_STORE: directory.path,
      });
      const { status } = await test.runner.runJob(
        new Job("x").addStep(
          "build",
          "mkdir -p out; date >> out/x; wc -l < out/x",
          {
            usesCache: [{
              name: "out",
              key: `k-${count}`,
              fallback: ["k-"],
              paths: ["out"],
            }],
          },
        ),
      );
      assertEquals(status, "success", test.stderr());
      counts.push(test.stdout().trim());
    }
    assertEquals(counts, ["1", "2"]);
    await using test = await testRunner();
    await assertRejects(
      () =>
        test.runner.runJob(
          new Job("x").addStep("s", "true", {
            usesCache: [{ name: "a/b", key: "", paths: [] }],
          }),
        ),
      RunnerError,
      '"a/b" is not a valid name',
    );
  });

  it("reports what is not valid before the job starts", async () => {
    for (
      const [text, reason] of [
        ["{ name: a/b, key: k, paths: x }", /letters, digits/],
        ["{ name: a, key: k }", /paths/],
        ["{ name: a, paths: x }", /key/],
        ["{ name: a, key: k, paths: [] }", /must not be empty/],
        ["{ name: a, key: k, paths: x, mode: y }", /mode/],
      ] as const
    ) {
      await using job = await project({
        "job.yaml":
          `steps: [{ name: s, run: echo ran, uses_cache: [${text}] }]\n`,
      });
      const { code, stdout, stderr } = await runMain(RUN, job);
      assertEquals([code, stdout], [1, ""], stderr);
      assertMatch(stderr, reason);
    }
    await using service = await project({
      "job.yaml":
        `steps: [{ name: s, run: sleep 9, service: true, ready: { log: x }, uses_cache: [{ name: a, key: k, paths: x }] }]\n`,
    });
    assertMatch((await runMain(RUN, service)).stderr, /not for a service/);
  });

  it("fails a step whose paths lead out, or whose key matches no file", async () => {
    for (
      const [key, path, reason] of [
        ["k", "../x", /outside the directory of the job/],
        ["k", ".git", /git/],
        ["{hash:none}", "x", /no file matches/],
        ["{env:GITHUB_TOKEN}", "x", /secret|not set/],
      ] as const
    ) {
      await using job = await project({
        "job.yaml":
          `steps: [{ name: s, run: echo ran, uses_cache: [{ name: a, key: "${key}", paths: "${path}" }] }]\n`,
      });
      const { code, stdout, stderr } = await job.run(undefined, {
        GITHUB_TOKEN: "t0ken-0123456789",
      });
      assertEquals(stdout.includes("ran\n"), false);
      assertEquals(code === 0, false);
      assertMatch(stderr, reason);
    }
  });

  it("hides what untrusted steps save from trusted steps", async () => {
    const step = (name: string, more: string) =>
      `  - name: ${name}
    uses_cache: [{ name: deps, key: k, paths: out }]
    run: echo "${name} found $(cat out/x 2>/dev/null || echo nothing)"; mkdir -p out; echo ${name} > out/x
${more}`;
    await using job = await project({
      "proposal.yaml": `steps:\n${step("proposed", "    untrusted: true\n")}${
        step("later", "    depends_on: [proposed]\n")
      }`,
      "trusted.yaml": `steps:\n${step("trusted", "")}`,
    });
    const run = (name: string) => job.run(["run", "--job-file", name]);
    const reset = () => Deno.remove(`${job.cwd}/out`, { recursive: true });
    const proposal = await run("proposal.yaml");
    assertEquals(proposal.code, 0, proposal.stderr);
    assertMatch(proposal.stderr, /proposed: deps: saved k/);
    assertMatch(proposal.stderr, /later: deps: not saved: an untrusted step/);
    await reset();
    const trusted = await run("trusted.yaml");
    assertStringIncludes(trusted.stdout, "trusted found nothing");
    await reset();
    // It reads its own entry first, and those of trusted steps as well.
    const again = await run("proposal.yaml");
    assertStringIncludes(again.stdout, "proposed found proposed");
    await Deno.remove(`${job.store}/v1/local.untrusted`, { recursive: true });
    await reset();
    const without = await run("proposal.yaml");
    assertStringIncludes(without.stdout, "proposed found trusted");
  });
});
