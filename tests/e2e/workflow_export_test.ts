import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parse } from "yaml";
import { CLI } from "../helpers/cli.ts";
import { GIT_ENV } from "../helpers/git_repository.ts";
import { runNpmCode, runNpmProgram } from "../helpers/npm_program.ts";
import { Random } from "../helpers/random.ts";
import { randomJobs, readSeen } from "../helpers/random_workflow.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/**
 * Eight jobs: items, a retry, failures, conditions, outputs, an artifact and a
 * secret.
 */
const WORKFLOW = `
name: eight jobs
on: { events: push }
vars: { stage: test }
jobs:
  prepare:
    command: |
      echo "prepare $RC_WF_NODE_NAME" >> "$LOG_FILE"
      echo '{"outputs":{"version":"1.2.3"},"vars":{"flag":["a b"]}}' > "$RC_WF_OUTPUT_FILE"
      mkdir dist
      echo built > dist/app
    artifacts: { app: { paths: [dist/**] } }
  matrix:
    needs: { job: prepare, artifacts: app }
    for_each: ["one two", "\${{ three }}"]
    command: echo "matrix $RC_WF_NODE_NAME $ITEM $(cat dist/app)" >> "$LOG_FILE"
  retry:
    needs: prepare
    steps:
      - name: second
        run: |
          echo attempt >> attempts
          test "$(wc -l < attempts)" -eq 2
          echo "retry" >> "$LOG_FILE"
        retry: { attempts: 2, delay: 10ms }
  broken:
    needs: prepare
    command: |
      echo "broken" >> "$LOG_FILE"
      exit 3
  mend:
    needs: [matrix, after]
    condition: any_failed
    command: echo "never" >> "$LOG_FILE"
  after:
    needs: broken
    command: echo "never" >> "$LOG_FILE"
  tidy:
    needs: [broken, after]
    condition: any_failed
    command: echo "tidy $RC_WF_VARS_JSON" >> "$LOG_FILE"
  deploy:
    needs: [matrix, retry]
    environment:
      TOKEN: "\${secret:deploy:TOKEN}"
      PRICE: "$5 \${{ x }} {{y}} $[[ z ]]"
    command: |
      echo "deploy \${#TOKEN} $TOKEN"
      echo "deploy \${#TOKEN} $PRICE $RC_WF_VARS_JSON" >> "$LOG_FILE"
`;

const SECRET = "s3cr3t-t0k3n";

/** A git repository with the workflow, and a `runnerlib` program beside it. */
async function projectOf(cwd: string, workflow: string) {
  await makeFiles(cwd, {
    "project/w.yaml": workflow,
    "bin/runnerlib":
      `#!/bin/sh\nexec ${Deno.execPath()} run -A --no-check ${CLI} "$@"\n`,
    "home/": "",
  });
  await Deno.chmod(`${cwd}/bin/runnerlib`, 0o755);
  const { code, stderr } = await new Deno.Command("sh", {
    args: [
      "-ec",
      "git init -q -b main . && git add . && git commit -q -m x && git remote add origin https://git.example/a/b.git",
    ],
    cwd: `${cwd}/project`,
    env: GIT_ENV,
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return {
    project: `${cwd}/project`,
    path: `${cwd}/bin:${Deno.env.get("PATH")}`,
  };
}

/** Runs the pipeline of a project, each job in a directory of its own. */
async function runGitlab(
  project: string,
  { path, env }: { path: string; env: Record<string, string> },
) {
  return await runNpmProgram("gitlab-ci-local@4.75.1", [
    ...["--force-shell-executor", "--shell-isolation"],
    ...Object.entries(env)
      .flatMap(([name, value]) => ["--variable", `${name}=${value}`]),
  ], { cwd: project, env: { ...GIT_ENV, PATH: path } });
}

async function linesOf(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(path);
  return text.split("\n").filter((line) => line !== "");
}

describe("runnerlib workflow export --to gitlab", () => {
  it("ends in gitlab-ci-local as on this machine", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const { project, path } = await projectOf(cwd, WORKFLOW);
    const exported = await runMain([
      ...["workflow", "export", "w.yaml", "--to=gitlab"],
      "--output=.gitlab-ci.yml",
    ], { cwd: project });
    assertEquals(exported, { code: 0, stdout: "", stderr: "" });
    const env = {
      LOG_FILE: `${cwd}/gitlab.log`,
      SECRET_DEPLOY_TOKEN: SECRET,
    };
    const { code, output } = await runGitlab(project, { path, env });
    assertEquals(code, 1, output);
    const ends = [...output.matchAll(/^ (PASS|FAIL|WARN) +(\S.*?) *$/gm)]
      .map(([, end, name]) => `${name} ${end}`);
    assertEquals(ends.sort(), [
      ...["after PASS", "broken FAIL", "deploy PASS", "matrix: [0] PASS"],
      ...["matrix: [1] PASS", "mend PASS", "prepare PASS", "retry PASS"],
      "tidy PASS",
    ], output);
    assertStringIncludes(output, "FAIL 3");
    assertStringIncludes(output, 'after: skipped, "broken" failed');
    assertStringIncludes(output, "deploy 12 [REDACTED]");
    assert(!output.includes(SECRET));
    await makeFiles(project, {
      "local.yaml": WORKFLOW.replace(
        "secret:deploy:TOKEN",
        "secret:env:SECRET_DEPLOY_TOKEN:value",
      ),
    });
    const local = await runMain(
      ["workflow", "run", "local.yaml", "--record=off"],
      {
        cwd: project,
        env: {
          HOME: `${cwd}/home`,
          LOG_FILE: `${cwd}/local.log`,
          SECRET_DEPLOY_TOKEN: SECRET,
        },
      },
    );
    assertEquals(local.code, 3, local.stderr);
    assertEquals(
      (await linesOf(env.LOG_FILE)).sort(),
      (await linesOf(`${cwd}/local.log`)).sort(),
    );
    const order = await linesOf(env.LOG_FILE);
    assertStringIncludes(order[0], "prepare");
    assert(
      order.findIndex((line) => line.startsWith("deploy")) >
        order.findLastIndex((line) => /^(matrix|retry)/.test(line)),
    );
  });
});

Deno.test("a random workflow runs in gitlab-ci-local as on this machine", async () => {
  const random = new Random();
  const hint = `seed ${random.seed}`;
  console.log(hint);
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  const jobs = randomJobs(random);
  const { project, path } = await projectOf(
    cwd,
    JSON.stringify({
      name: "random",
      // Unlike GitLab, the tool starts pipelines that no rule starts.
      on: {
        events: ["push"],
        branches: random.pick([["ma*"], ["ma*"], ["ma/**"]]),
      },
      jobs,
    }),
  );
  const logOf = (name: string) => ({ LOG_FILE: `${cwd}/${name}.log` });
  await makeFiles(cwd, { "gitlab.log": "", "local.log": "" });
  const exported = await runMain([
    ...["workflow", "export", "w.yaml", "--to=gitlab"],
    "--output=.gitlab-ci.yml",
  ], { cwd: project });
  assertEquals(exported.code, 0, exported.stderr);
  const { code, output } = await runGitlab(project, {
    ...{ path, env: logOf("gitlab") },
  });
  const local = await runMain([
    ...["workflow", "run", "w.yaml", "--record=off", "--concurrency=1"],
    ...["--event=push", "--branch=main"],
  ], { cwd: project, env: { HOME: `${cwd}/home`, ...logOf("local") } });
  const [seen, log] = await Promise.all(
    ["gitlab", "local"].map((name) => Deno.readTextFile(`${cwd}/${name}.log`)),
  );
  assertEquals(readSeen(jobs, seen), readSeen(jobs, log), `${hint}\n${output}`);
  assertEquals(code === 0, local.code === 0, `${hint}\n${output}`);
  assertEquals(
    [...output.matchAll(/ FAIL 3 /g)].length,
    [...local.stderr.matchAll(/error: .*: failed/g)].length,
    `${hint}\n${output}`,
  );
});

describe("runnerlib workflow export", () => {
  it("writes what the tools of GitHub and Argo accept", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "w.yaml": WORKFLOW });
    for (const engine of ["github", "argo"]) {
      const { code, stderr } = await runMain([
        ...["workflow", "export", "w.yaml", `--to=${engine}`],
        `--output=${engine}.yml`,
      ], { cwd });
      assertEquals(code, 0, stderr);
    }
    const text = await Deno.readTextFile(`${cwd}/github.yml`);
    await makeFiles(cwd, { "wrong.yml": text.replace("runs-on", "run-on") });
    const validator = "@action-validator/cli@0.6.0";
    const [valid, wrong] = await Promise.all([
      runNpmProgram(validator, ["github.yml"], { cwd }),
      runNpmProgram(validator, ["wrong.yml"], { cwd }),
    ]);
    assertEquals(valid.code, 0, valid.output);
    assert(wrong.code !== 0);
    const argo = parse(await Deno.readTextFile(`${cwd}/argo.yml`));
    const { code, output } = await runNpmCode(
      `
import { Workflow } from "npm:@kubernetes-models/argo-workflows@2.0.0/argoproj.io/v1alpha1/Workflow";
const file = await new Response(Deno.stdin.readable).json();
new Workflow(file).validate();
file.spec.templates[0].dag.failFast = "no";
try {
  new Workflow(file).validate();
} catch {
  console.log("finds errors");
}
`,
      { cwd, stdin: JSON.stringify(argo) },
    );
    assertEquals(code, 0, output);
    assertStringIncludes(output, "finds errors");
  });
});
