import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parse } from "yaml";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const WORKFLOW = `
name: warnings
on: { events: [push, pull_request_merged] }
jobs:
  first:
    job_file: base.yaml
    capabilities: gpu
  second:
    command: curl https://ci:hunter2-hunter2@host.example/
    needs: [first, empty]
    run_as: { user: root }
    checkout: { fetch_depth: 0, submodules: recursive, sparse_paths: [src] }
    environment:
      DB_PASSWORD: hunter3-hunter3
      LISTED: hunter4-hunter4
    secret_env_names: [LISTED]
  empty:
    command: "true"
    needs: [first]
    for_each: []
`;

const BASE = `
name: base
job:
  command: make
  priority: 5
  resources: { cpu: { limit: 500m }, memory: { limit: 1Gi } }
`;

async function exported(cwd: string, ...args: string[]) {
  return await runMain(["workflow", "export", "w.yaml", ...args], { cwd });
}

describe("runnerlib workflow export", () => {
  it("lists unsupported features with their positions, in the file and in the log", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "w.yaml": WORKFLOW, "base.yaml": BASE });
    const { code, stdout, stderr } = await exported(cwd, "--to=gitlab");
    assertEquals(code, 0, stderr);
    const printed = stderr.split("\n").filter((line) => line !== "")
      .map((line) => line.replace("[export] warning: ", ""));
    assertEquals(
      printed.map((line) => line.replace(/;.*|(?<=exported)[:,].*/, "")),
      [
        "w.yaml:3:1: pull_request_merged is not exported",
        'w.yaml:7:5: job "first": capabilities is not exported',
        'w.yaml:9:5: job "second": it contains a secret, which is not exported',
        'w.yaml:12:5: job "second": checkout.sparse_paths is not exported',
        'w.yaml:13:5: job "second": the value of "DB_PASSWORD" is a secret and is not exported',
        'w.yaml:13:5: job "second": the value of "LISTED" is a secret and is not exported',
        'w.yaml:20:5: job "empty": it is not exported',
        'base.yaml:5:3: job "first": priority is not exported',
        'base.yaml:6:3: job "first": resources is not exported',
      ],
    );
    for (const line of printed) assertStringIncludes(stdout, `#   ${line}\n`);
    assert(!/hunter\d-/.test(stdout + stderr));
    const { second, ...file } = parse(stdout);
    assertEquals(Object.keys(file), ["workflow", "variables", "first"]);
    assertEquals(second.needs, ["first"]);
    assertEquals(second.image.docker, { user: "0:0" });
    assertEquals(second.variables, {
      GIT_DEPTH: "0",
      GIT_SUBMODULE_STRATEGY: "recursive",
    });
  });

  it("exports resources and users if the engine supports them", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "w.yaml": WORKFLOW, "base.yaml": BASE });
    const github = parse((await exported(cwd, "--to=github")).stdout);
    assertEquals(
      github.jobs.first.container.options,
      "--cpus=0.5 --memory=1073741824",
    );
    assertEquals(github.jobs.second.container.options, "--user=0:0");
    assertEquals(github.on.pull_request, { types: ["closed"] });
    const argo = parse((await exported(cwd, "--to=argo")).stdout);
    const [, first, second] = argo.spec.templates;
    assertEquals(first.script.resources.limits, {
      cpu: "500m",
      memory: "1073741824",
    });
    assertEquals(second.script.securityContext, {
      runAsUser: 0,
      runAsGroup: 0,
    });
  });

  it("never maps two secrets to one key of a Secret in Argo", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const references = ["a/b:k", "a-b:k", "A/b:k", "a/b:l"];
    const env = Object.fromEntries(
      references.map((reference, at) => [`V${at}`, `\${secret:${reference}}`]),
    );
    const job = { command: "true", environment: env };
    await makeFiles(cwd, {
      "w.yaml": JSON.stringify({ name: "w", jobs: { a: job, b: job } }),
    });
    const argo = parse((await exported(cwd, "--to=argo")).stdout);
    const [, ...templates] = argo.spec.templates;
    for (const { script } of templates) {
      const secretKeys =
        (script.env as { valueFrom?: Record<string, unknown> }[])
          .flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []);
      assertEquals(secretKeys, [
        { name: "a-b", key: "k" },
        { name: "a-b-2", key: "k" },
        { name: "a-b-3", key: "k" },
        { name: "a-b", key: "l" },
      ]);
    }
  });

  it("uses conditions of the engine if jobs only need success", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const jobs = (rest: string) =>
      `name: w\njobs:\n  a: { command: "1" }\n  b: { command: "1", needs: a${rest} }`;
    const conditionsOf = async (rest: string) => {
      await makeFiles(cwd, { "w.yaml": jobs(rest) });
      const [gitlab, github, argo] = await Promise.all(
        ["gitlab", "github", "argo"].map(async (engine) =>
          parse((await exported(cwd, `--to=${engine}`)).stdout)
        ),
      );
      const [{ dag }] = argo.spec.templates;
      return [gitlab.b.when, github.jobs.b.if, dag.tasks[1].depends];
    };
    assertEquals(await conditionsOf(""), [undefined, undefined, "a.Succeeded"]);
    assertEquals(await conditionsOf(", condition: always"), [
      "always",
      "${{ !cancelled() }}",
      "(a.Succeeded || a.Failed || a.Errored)",
    ]);
  });

  it("replaces only its own files", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "w.yaml": "name: w\njobs:\n  a: { command: a }",
      "mine.yml": "a: {}\n",
      "directory/": "",
    });
    const write = (file: string) =>
      exported(cwd, "--to=gitlab", `--output=${file}`);
    for (let round = 0; round < 2; round++) {
      assertEquals((await write("ci.yml")).code, 0);
    }
    assertStringIncludes(await Deno.readTextFile(`${cwd}/ci.yml`), "script:");
    for (const file of ["mine.yml", "directory", "none/ci.yml"]) {
      const { code, stderr } = await write(file);
      assertEquals(code, 1);
      assertStringIncludes(stderr, `Cannot write "`);
    }
    assertEquals(await Deno.readTextFile(`${cwd}/mine.yml`), "a: {}\n");
  });

  it("explains what it cannot export", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const huge = JSON.stringify({
      name: "w",
      vars: { text: "x".repeat(500_000) },
      jobs: Array.from({ length: 60 }, (_, at) => ({
        name: `job ${at}`,
        command: "a",
      })),
    });
    const wide = JSON.stringify({
      name: "w",
      jobs: ["a", "b"].map((name) => ({
        name,
        command: "x",
        for_each: Array.from({ length: 900 }, () => 1),
        ...name === "b" ? { needs: "a" } : {},
      })),
    });
    const cases: [text: string, args: string[], code: number, part: string][] =
      [
        ["name: w\njobs: { a: { command: a } }", [], 2, "--to is required"],
        [
          "name: w\njobs: { a: { command: a } }",
          ["--to=jenkins"],
          2,
          'Option --to must be "gitlab", "github" or "argo", not',
        ],
        [
          "name: w\njobs: { a: { command: a, image: '-v /:/x' } }",
          ["--to=github"],
          1,
          'its image "-v /:/x" is not an image reference',
        ],
        [
          "name: w\njobs: { a: { command: a, run_as: { user: 'x --privileged' } } }",
          ["--to=github"],
          1,
          'its user "x --privileged" is not runner, root or uid[:gid]',
        ],
        [huge, ["--to=argo"], 1, "more than"],
        [wide, ["--to=argo"], 1, "results"],
      ];
    for (const [text, args, expected, part] of cases) {
      await makeFiles(cwd, { "w.yaml": text });
      const { code, stdout, stderr } = await exported(cwd, ...args);
      assertEquals([code, stdout], [expected, ""], stderr);
      assertStringIncludes(stderr, part);
    }
  });
});

describe("runnerlib workflow job", () => {
  it("fails if a result is missing, an item does not exist, or variables conflict", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const stdin = JSON.stringify({
      id: "w",
      name: "w",
      jobs: [{ name: "a", command: "echo ran", for_each: [1] }],
    });
    const result = (value: string) =>
      new TextEncoder().encode(
        JSON.stringify({ status: "completed", vars: { x: value } }),
      ).toBase64({ alphabet: "base64url", omitPadding: true });
    const run = (...args: string[]) =>
      runMain(["workflow", "job", ...args], {
        ...{ cwd, stdin },
        env: { A: result("1"), B: result("2"), C: "????" },
      });
    for (
      const [args, part] of [
        [["--need=b=NONE"], '"b" did not pass on a result'],
        [["--need=b=C"], '"b" did not pass on a result'],
        [["--item=1"], "item 1 does not exist; the number of items is 1"],
        [["--need=b=A,B"], '"b" sets "x"'],
      ] as const
    ) {
      const { code, stdout, stderr } = await run(
        ...args,
        "--result-file=out/result",
        "--result-name=NAME",
      );
      assertEquals([code, stdout], [1, ""], stderr);
      assertStringIncludes(stderr, part);
      const text = await Deno.readTextFile(`${cwd}/out/result`);
      assert(/^NAME=[\w-]+\n$/.test(text));
    }
    const { code, stdout } = await run("--need=b=A", "--item=0");
    assertEquals([code, stdout.trim()], [0, "ran"]);
  });
});
