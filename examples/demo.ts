/**
 * Runs a job on a real repository: checkout, masked secret, plugin, follow-up
 * job. Everything happens in a temporary directory, which is removed at the end.
 */
import { createRunner, type Plugin, processHost } from "@reactorcide/runnerlib";

const FILES = {
  "greeting.txt": "Hello from a repository.\n",
  "test.sh": `#!/bin/sh
echo "Checked out $(git rev-parse --short HEAD): $(cat greeting.txt)"
echo "Deploying with the token $DEPLOY_TOKEN"
`,
};

const directory = await Deno.makeTempDir({ prefix: "runnerlib-demo-" });
try {
  const commit = await makeRepository(`${directory}/repository`);
  const { env, ...process } = processHost();
  // A machine may have a /job of its own; this one stays out of it.
  const host = {
    ...process,
    cwd: directory,
    env: { ...env, REACTORCIDE_IN_CONTAINER: "false" },
  };
  const runner = createRunner({ host });
  runner.registerPlugin(stopwatch());
  runner.triggerJob("deploy-staging", {
    env: { DEPLOY_TARGET: "staging" },
    jobCommand: "./deploy.sh staging",
  });
  console.log("A job on a repository that this demo creates:\n");
  const result = await runner.runJob({
    command: "sh test.sh",
    source: { type: "git", url: `${directory}/repository`, ref: commit },
    env: { DEPLOY_TOKEN: "s3cr3t-t0k3n" },
    secrets: { envNames: ["DEPLOY_TOKEN"] },
  });
  console.log(`
What to look at:
- The commit was checked out, and the job ran in it.
- The job printed its token, and the log shows [REDACTED].
- The plugin "stopwatch" ran before and after the command.
- Status: ${result.status}. Next: ${namesOf(result.triggers)}.
`);
  if (result.exitCode !== 0) Deno.exit(result.exitCode);
} finally {
  await Deno.remove(directory, { recursive: true });
}

function namesOf(triggers: readonly { name: string }[]): string {
  return triggers.map(({ name }) => name).join(", ") || "nothing";
}

function stopwatch(): Plugin {
  return {
    name: "stopwatch",
    preExecution: ({ state }) => state.set("start", performance.now()),
    postExecution({ state, exitCode, log }) {
      const ms = performance.now() - Number(state.get("start"));
      log(`exit code ${exitCode} after ${ms.toFixed()} ms`);
    },
  };
}

async function makeRepository(path: string): Promise<string> {
  await Deno.mkdir(path);
  for (const [name, text] of Object.entries(FILES)) {
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
  await git(path, "init", "--quiet");
  await git(path, "add", ".");
  await git(path, "commit", "--quiet", "--message", "First commit");
  return await git(path, "rev-parse", "HEAD");
}

async function git(cwd: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("git", {
    args,
    cwd,
    env: {
      GIT_AUTHOR_NAME: "Demo",
      GIT_AUTHOR_EMAIL: "demo@example.com",
      GIT_COMMITTER_NAME: "Demo",
      GIT_COMMITTER_EMAIL: "demo@example.com",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
    },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(decoder.decode(stderr));
  return decoder.decode(stdout).trim();
}
