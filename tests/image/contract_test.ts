import { assert, assertEquals, assertMatch } from "@std/assert";
import { describeImage, engine, IMAGE, inImage } from "../helpers/image.ts";
import {
  makeFiles,
  openToAll,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describeImage("the image", (it) => {
  it("runs a job with its entrypoint cleared, as uid 1001 in /job/src", async () => {
    const { code, stdout, stderr } = await inImage([
      ...["runnerlib", "run", "--job-command"],
      "id -u; pwd; echo $PATH; echo token is $A; exit 7",
    ], ["--env=REACTORCIDE_SECRET_ENV_NAMES=A", "--env=A=s3cr3t-value"]);
    assertEquals(code, 7, stderr);
    assertEquals(
      stdout.replace(/^\/tmp\/runnerlib-\w+\/bin:/m, "(program runnerlib):"),
      `1001
/job/src
(program runnerlib):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
token is [REDACTED]
`,
    );
  });

  it("provides the program runnerlib to jobs, and the library to pipelines", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "pipeline.ts": `
import { runJob } from "@reactorcide/runnerlib";
import { join } from "@std/path/posix/join";
console.log(join("a", "b"));
Deno.exit((await runJob({ command: "runnerlib --version" })).exitCode);
`,
    });
    await openToAll(directory.path);
    const { code, stdout, stderr } = await inImage([
      ...["runnerlib", "run", "--job-command"],
      `echo t0k3n-of-today | runnerlib register-secret - && echo t0k3n-of-today
       runnerlib output set key=value && cat /job/workflow-output.json
       runnerlib exec /files/pipeline.ts`,
    ], [`--volume=${directory.path}:/files:ro`]);
    assertEquals(code, 0, stderr);
    assertMatch(
      stdout,
      /^Registered 1 secret\n\[REDACTED\]\n.*key.*value[^]*^a\/b$[^]*^\d+\.\d+\.\d+\n$/m,
    );
  });

  it("has an unprivileged user, a version and no secrets", async () => {
    const { stdout } = await engine("image", "inspect", IMAGE);
    const [{ Config: config }] = JSON.parse(stdout);
    assertEquals(config.User, "1001:1001");
    assertEquals(config.WorkingDir, "/job");
    assertMatch(
      config.Labels["org.opencontainers.image.version"],
      /^\d+\.\d+\.\d+/,
    );
    assert(
      !config.Env.some((it: string) => /TOKEN|PASSWORD|SECRET/i.test(it)),
    );
  });

  it("has the programs that fetch and unpack sources", async () => {
    const tools = ["git", "git-lfs", "hg", "svn", "tar", "gzip", "bzip2", "xz"]
      .concat("zstd", "zip", "unzip", "ssh", "tini", "deno", "runnerlib");
    const { code, stderr } = await inImage([
      "sh",
      "-c",
      `for tool in ${tools.join(" ")}; do
         command -v $tool >/dev/null || { echo "no $tool" >&2; exit 1; }
       done
       test -s /etc/ssl/certs/ca-certificates.crt && git lfs version >&2`,
    ]);
    assertEquals(code, 0, stderr);
  });

  it("has everything that runnerlib doctor needs, except another engine", async () => {
    const { code, stdout, stderr } = await inImage(["runnerlib", "doctor"]);
    assertEquals(code, 0, stderr);
    const rows = stdout.matchAll(/^ {2}(?:missing|needed) +(\S+)/gm);
    // Whether there are namespaces for untrusted steps is up to the engine.
    const names = [...rows].map(([, name]) => name)
      .filter((name) => name !== "untrusted");
    assertEquals(names, ["docker", "podman"]);
  });

  for (const uid of [0, 1001, 5000]) {
    it(`works as user ${uid}, without a volume`, async () => {
      const { code, stdout, stderr } = await inImage(
        [
          "runnerlib",
          "run",
          "--job-command",
          "id -u; pwd; touch here ../there",
        ],
        [`--user=${uid}:${uid}`],
      );
      assertEquals(code, 0, stderr);
      assertEquals(stdout, `${uid}\n/job/src\n`);
    });

    it(`works as user ${uid} in a worker's volume, on a file system that is read-only`, async () => {
      await using directory = await temporaryDirectory();
      await makeFiles(directory.path, {
        "src/job.yaml": JSON.stringify({
          steps: [{
            name: "one",
            run: "id -u; pwd; touch here; echo a=b >>$REACTORCIDE_OUTPUT",
          }],
        }),
      });
      for (const path of ["", "/src", "/src/job.yaml"]) {
        await Deno.chown(directory.path + path, uid, uid);
      }
      const { code, stdout, stderr } = await inImage(
        ["runnerlib", "run", "--job-file", "job.yaml"],
        [
          ...[`--user=${uid}:${uid}`, "--read-only", "--tmpfs=/tmp"],
          ...[`--volume=${directory.path}:/job`, "--workdir=/job/src"],
        ],
      );
      assertEquals(code, 0, stderr);
      assertEquals(stdout, `${uid}\n/job/src\n`);
      for await (const { path } of walk(directory.path)) {
        assertEquals((await Deno.lstat(path)).uid, uid, path);
      }
    });
  }

  it("leaves the directories of a volume to the worker", async () => {
    await using directory = await temporaryDirectory();
    await Deno.chmod(directory.path, 0o777);
    const { stdout } = await inImage(
      ["sh", "-c", "pwd; ls -A"],
      [`--volume=${directory.path}:/job`],
    );
    assertEquals(stdout, "/job\n");
  });

  it("ends both streams with a line break", async () => {
    const { stdout, stderr } = await inImage([
      ...["runnerlib", "run", "--stderr", "separate", "--", "sh", "-c"],
      "printf out; printf err >&2; kill -9 $$",
    ]);
    assertEquals(stdout, "out\n");
    assertMatch(stderr, /^err\n/m);
    assert(stderr.endsWith("\n"), stderr);
  });

  it("warns once that it cannot read a worker's credentials, and continues", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "src/": "",
      ".reactorcide/vcs-auth/gitconfig": "",
      ".reactorcide/vcs-auth/credentials": "https://me:secret@host",
    });
    await openToAll(directory.path);
    await Deno.chown(`${directory.path}/.reactorcide`, 0, 0);
    await Deno.chmod(`${directory.path}/.reactorcide`, 0o700);
    const auth = "/job/.reactorcide/vcs-auth";
    const { code, stdout, stderr } = await inImage([
      "sh",
      "-c",
      `git init --quiet /tmp/repository && cd /tmp/repository &&
       git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first &&
       cd /job/src && export GIT_CONFIG_GLOBAL=${auth}/gitconfig &&
       runnerlib run --git-url /tmp/repository -- git log --format=%s`,
    ], [
      ...[`--volume=${directory.path}:/job`, "--workdir=/job/src"],
      `--env=REACTORCIDE_VCS_AUTH_DIR=${auth}`,
    ]);
    assertEquals(code, 0, stderr);
    assertEquals(stdout, "first\n");
    assertEquals(stderr.match(/credentials/g)?.length, 1, stderr);
    assertMatch(stderr, /Private repositories will not be readable/);
  });

  it("checks out a repository, even if no workspace is mounted", async () => {
    const { code, stdout, stderr } = await inImage([
      "sh",
      "-c",
      `git init --quiet /tmp/repository && cd /tmp/repository &&
       git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first &&
       cd /job && runnerlib run --git-url /tmp/repository -- \\
         git log --format=%s`,
    ]);
    assertEquals(code, 0, stderr);
    assertEquals(stdout, "first\n");
  });

  it("exits with 2 for wrong usage", async () => {
    const { code, stderr } = await inImage(["runnerlib", "rn"]);
    assertEquals(code, 2);
    assertMatch(stderr, /did you mean "run"/);
  });

  it("starts a command by its entrypoint, too", async () => {
    const { stdout } = await engine("run", "--rm", "--network=none", IMAGE);
    assertMatch(stdout, /^Usage: runnerlib/m);
  });
});

describeImage("a variant of the image", (it) => {
  for (
    const [variant, commands] of [
      ["node", "node --version && npm --version && npx --version"],
      ["python", "python --version && pip --version && python -m venv /tmp/v"],
    ]
  ) {
    it(`has what ${variant} needs, and runs jobs`, async () => {
      const { code, stderr } = await engine(
        ...["run", "--rm", "--network=none", "--entrypoint="],
        ...[`${IMAGE}-${variant}`, "runnerlib", "run", "--job-command"],
        commands,
      );
      assertEquals(code, 0, stderr);
    });
  }

  it("runs plugins and pipelines in Python", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "ci/.reactorcide/plugins/plugin_ci_jobs.py": `
from src.plugins import Plugin, PluginContext, PluginPhase
from src.logging import log_stdout


class Jobs(Plugin):
    def __init__(self):
        super().__init__(name="ci_jobs")

    def supported_phases(self):
        return [PluginPhase.POST_SOURCE_PREP]

    def execute(self, context: PluginContext) -> None:
        log_stdout(f"works for {context.config.code_dir}")
`,
      "pipeline.py": `
import runnerlib
print("ended with", runnerlib.run_job(command="echo in a job; exit 3"))
`,
    });
    await Deno.chmod(directory.path, 0o755);
    const inPython = (env: string[], command: string) =>
      engine(
        ...["run", "--rm", "--network=none", "--entrypoint="],
        ...["--user=1001:1001", `--volume=${directory.path}:/files:ro`],
        ...["--env=REACTORCIDE_CI_SOURCE_DIR=/files/ci", ...env],
        ...[`${IMAGE}-python`, "runnerlib", "run", "--job-command", command],
      );
    const refused = await inPython([], "true");
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, /plugin_ci_jobs\.py.*ci\/\*:run=\*/);
    const { code, stdout, stderr } = await inPython(
      ["--env=REACTORCIDE_PLUGIN_PERMISSIONS=ci/*:run=*"],
      "python3 /files/pipeline.py",
    );
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /\[plugin:ci_jobs\] works for \/job\/src/);
    // The messages of the runner in the pipeline are output of the job.
    assertMatch(stdout, /^in a job\n[^]*^ended with 3\n$/m);
  });
});

/** Everything below a directory, and the directory itself. */
async function* walk(path: string): AsyncGenerator<{ path: string }> {
  yield { path };
  if (!(await Deno.lstat(path)).isDirectory) return;
  for await (const { name } of Deno.readDir(path)) {
    yield* walk(`${path}/${name}`);
  }
}
