import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { CliResult } from "../helpers/cli.ts";
import { isFileSync } from "../../src/process/start_error.ts";
import { soon, until } from "../helpers/soon.ts";
import { testRunner } from "../helpers/test_runner.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Options of a run with secret providers. */
interface RunOptions {
  /** Variables of the job. */
  jobEnv: Record<string, string>;
  /**
   * Command of the job.
   *
   * @default {a command that prints "ran"}
   */
  command?: string;
  /** Variables of the runner. */
  env?: Record<string, string>;
  /** Arguments before those of the run. */
  args?: readonly string[];
}

/** Runs a job in a directory, with providers that no job can change. */
async function runJob(
  cwd: string,
  providers: Record<string, unknown>,
  { jobEnv, command = "echo ran", env, args = ["run"] }: RunOptions,
): Promise<CliResult> {
  const lines = Object.entries(jobEnv).map((entry) => entry.join("="));
  return await runMain([
    ...args,
    ...["--secret-providers", JSON.stringify(providers)],
    ...["--secret-env-names", "", "--job-env", lines.join("\n")],
    ...["--job-command", command],
  ], { cwd, env });
}

/** A provider that is a shell script; `$1` is the path, and `$2` the key. */
function script(text: string): { command: string[] } {
  return { command: ["/bin/sh", "-c", text, "sh", "{path}", "{key}"] };
}

/** Runs a job with one reference, and returns why it did not start. */
async function problemOf(
  provider: Record<string, unknown>,
  reference: string,
): Promise<string> {
  await using directory = await temporaryDirectory();
  const { code, stdout, stderr } = await runJob(
    directory.path,
    { p: provider },
    { jobEnv: { A: reference } },
  );
  assertEquals([code, stdout], [1, ""], stderr);
  return stderr;
}

describe("runnerlib run gets secrets of providers", () => {
  it("of all types, and masks them", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "files/..data/tls.key": "file-value-1\nfile-value-2\n",
      "files/tls.key": "-> ..data/tls.key",
      "docs/app.json": '{"data":{"user":"json-user","number":12345}}',
    });
    const { code, stdout, stderr } = await runJob(path, {
      shell: script('printf "%s/%s-shell\\n" "$1" "$2"'),
      doc: {
        command: ["cat", `${path}/docs/{path}.json`],
        format: "json",
        json_path: "data",
      },
      files: { type: "file", directory: `${path}/files` },
    }, {
      jobEnv: {
        SHELL_VALUE: "${secret:shell:arn:aws:a/b=c@d:k.1}",
        JSON_VALUE: "<${secret:doc:app:user} ${secret:doc:app:number}>",
        FILE_VALUE: "${secret:files:tls.key:value}",
        ENV_VALUE: "${secret:env:SOME_VARIABLE:value}",
      },
      env: { SOME_VARIABLE: "value-of-env" },
      command: 'for v in "$SHELL_VALUE" "$JSON_VALUE" "$FILE_VALUE" ' +
        '"$ENV_VALUE"; do echo "$v"; echo "$v" >> seen; done; ' +
        "printenv REACTORCIDE_SECRET_PROVIDERS || echo none",
    });
    assertEquals(
      await Deno.readTextFile(`${path}/seen`),
      "arn:aws:a/b=c@d/k.1-shell\n<json-user 12345>\n" +
        "file-value-1\nfile-value-2\nvalue-of-env\n",
      stderr,
    );
    assertEquals(
      [code, stdout],
      [
        0,
        "[REDACTED]\n<[REDACTED] [REDACTED]>\n[REDACTED]\n[REDACTED]\nnone\n",
      ],
    );
  });

  it("and calls a provider once for a path, for all variables and steps", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job.yaml": `
environment: { A: "\${secret:p:one:a}", B: "\${secret:p:one:b}" }
steps:
  - { name: x, run: "test $A$B$C = aaabbbaaa", env: { C: "\${secret:p:one:a}" } }
  - { name: y, run: "test $D = bbb", env: { D: "\${secret:p:two:b}" } }
`,
      "p.json": JSON.stringify({
        p: {
          command: [
            ...["/bin/sh", "-c"],
            `echo $1 >> ${path}/calls; echo '{"a": "aaa", "b": "bbb"}'`,
            ...["sh", "{path}"],
          ],
          format: "json",
        },
      }),
    });
    const { code, stderr } = await runMain(
      ["run", "--secret-providers", "p.json", "--job-file", "job.yaml"],
      { cwd: path },
    );
    assertEquals(code, 0, stderr);
    assertEquals(await Deno.readTextFile(`${path}/calls`), "one\ntwo\n");
  });

  it("several of them at the same time", async () => {
    await using directory = await temporaryDirectory();
    // Each call waits for the other one.
    const meet = script(
      `mkfifo $1 2>/dev/null || true; if [ $2 = a ]; then echo > $1; else read -r line < $1; fi; echo secret-$2`,
    );
    const fifo = `${directory.path.slice(1)}/fifo`;
    const { code, stdout, stderr } = await runJob(
      directory.path,
      { p: { ...meet, timeout: 20 } },
      {
        jobEnv: {
          A: `\${secret:p:/${fifo}:a}`,
          B: `\${secret:p:/${fifo}:b}`,
        },
      },
    );
    assertEquals([code, stdout], [0, "ran\n"], stderr);
  });

  it("with the runner's credentials, but no terminal and no directory of the job", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "bin/": "", "out": "" });
    const { code, stderr } = await runJob(path, {
      p: script(
        `{ pwd; echo "$VAULT_TOKEN|$GPG_TTY|$PATH|$REACTORCIDE_SECRETS_PASSWORD"; (: > /dev/tty) 2>/dev/null && echo tty; } > ${path}/out; echo secret`,
      ),
    }, {
      jobEnv: { A: "${secret:p:x:k}" },
      env: {
        VAULT_TOKEN: "vault-token",
        GPG_TTY: "/dev/pts/0",
        REACTORCIDE_SECRETS_PASSWORD: "of-the-store",
        PATH: `.::bin:${path}/bin:${path}/job/bin:/usr/bin:/bin`,
      },
    });
    assertEquals(code, 0, stderr);
    assertEquals(
      await Deno.readTextFile(`${path}/out`),
      "/\nvault-token||/usr/bin:/bin|\n",
    );
  });

  it("and of untrusted steps: the value is withheld", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job.yaml":
        'steps: [{ name: x, untrusted: true, run: "echo got=$A", env: { A: "${secret:p:x:k}" } }]\n',
    });
    const { stdout, stderr } = await runMain([
      ...["run", "--job-file", "job.yaml", "--secret-providers"],
      JSON.stringify({ p: script("echo the-secret-value") }),
    ], { cwd: path });
    assertStringIncludes(stdout, "got=\n", stderr);
  });
});

describe("runnerlib run does not start a job", () => {
  const value = "s3cr3t-value-0123456789";
  const failures: Record<string, [Record<string, unknown>, string]> = {
    "whose provider hangs": [
      { ...script("sleep 60"), timeout: "100ms" },
      "its program did not end within 0.1s",
    ],
    "whose provider fails and prints the secret": [
      script(`echo ${value} >&2; echo ${value}; exit 3`),
      "its program ended with exit code 3",
    ],
    "whose provider prints 10 MB": [
      script("yes | head -c 10000000"),
      "it printed more than 65536 bytes",
    ],
    "whose provider prints nothing": [
      script(`echo ${value} >&2`),
      "its output is empty",
    ],
    "whose provider prints a line break": [
      script("echo"),
      "its output is empty",
    ],
    "whose provider prints NUL bytes": [
      script(`printf '${value}\\000x'`),
      "the secret contains a NUL character",
    ],
    "whose provider prints invalid UTF-8": [
      script(`printf '${value}\\377x'`),
      "its output is not UTF-8 text",
    ],
    "whose provider prints invalid JSON": [
      { ...script(`echo '{"k": "${value}"'`), format: "json" },
      "its output is not valid JSON",
    ],
    "whose provider prints a JSON list": [
      { ...script(`echo '["${value}"]'`), format: "json" },
      "its output is not a JSON object",
    ],
    "whose provider does not have the key": [
      { ...script(`echo '{"constructor": "${value}"}'`), format: "json" },
      'its output has no key "k"',
    ],
    "whose provider does not have the object": [
      { ...script(`echo '{"k": "${value}"}'`), format: "json", json_path: "d" },
      'its output has no key "d"',
    ],
    "whose provider has an inexact number": [
      { ...script(`echo '{"k": 12345678901234567890}'`), format: "json" },
      'the value of "k" is a number that may not be exact',
    ],
    "whose provider is not installed": [
      { command: ["no-such-program", "{key}"] },
      'its program "no-such-program" is not in a directory of PATH outside the workspace',
    ],
    "whose path the provider does not allow": [
      { ...script(`echo ${value}`), paths: ["ci/*", "x*x"] },
      '"paths" of the provider does not allow this path',
    ],
  };
  for (const [name, [provider, problem]] of Object.entries(failures)) {
    it(name, async () => {
      const stderr = await problemOf(provider, "${secret:p:x:k}");
      assertStringIncludes(
        stderr,
        `Cannot look up key "k" of path "x" of secret provider "p" for "A": ${problem}`,
      );
      assert(!stderr.includes(value), stderr);
    });
  }

  it("whose reference would be read as an option", async () => {
    const stderr = await problemOf(
      { command: ["/bin/echo", "--", "{path}", "x{key}"] },
      "${secret:p:-n:k}",
    );
    assertStringIncludes(
      stderr,
      'argument 2 of its command would start with "-"',
    );
  });

  it("whose reference leads elsewhere by a variable", async () => {
    await using directory = await temporaryDirectory();
    for (
      const BRANCH of ["../prod", "a/../../b", "a b", "a\nb", "%2e%2e"]
    ) {
      const { code, stdout, stderr } = await runJob(
        directory.path,
        { p: script("echo secret") },
        { jobEnv: { A: "${secret:p:ci/${env:BRANCH}/x:k}" }, env: { BRANCH } },
      );
      assertEquals([code, stdout], [1, ""], stderr);
      assertStringIncludes(stderr, "whose path or key is empty or invalid");
    }
  });

  it("whose file is a link out of the directory, or missing", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "files/link": "-> ../outside", "outside": "x" });
    for (
      const [file, problem] of [
        ["link", "the file is a link that leaves the directory"],
        ["none", "cannot read the file: "],
        ["/etc/hostname", "the path must be relative"],
      ]
    ) {
      const { code, stdout, stderr } = await runJob(
        path,
        { f: { type: "file", directory: `${path}/files` } },
        { jobEnv: { A: `\${secret:f:${file}:value}` } },
      );
      assertEquals([code, stdout], [1, ""], stderr);
      assertStringIncludes(stderr, problem);
    }
  });

  it("whose program is in the workspace, or found there", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job/src/evil": "#!/bin/sh\necho evil > ran\necho secret\n",
      "bin/evil": "-> ../job/src/evil",
    });
    await Deno.chmod(`${path}/job/src/evil`, 0o755);
    for (
      const command of [[`${path}/job/src/evil`], [`${path}/bin/evil`], [
        "evil",
      ]]
    ) {
      const { code, stdout, stderr } = await runJob(
        path,
        { p: { command } },
        {
          jobEnv: { A: "${secret:p:x:value}" },
          env: { PATH: `${path}/job/src:${path}/bin:.:job/src:/usr/bin:/bin` },
        },
      );
      assertEquals([code, stdout], [1, ""], stderr);
      assertStringIncludes(stderr, "the workspace");
    }
  });

  it("and shows the output of a provider only if its definition allows that", async () => {
    const provider = script("echo permission denied >&2; exit 2");
    const hidden = await problemOf(provider, "${secret:p:x:k}");
    assert(!hidden.includes("permission denied"), hidden);
    const shown = await problemOf(
      { ...provider, show_errors: true },
      "${secret:p:x:k}",
    );
    assertStringIncludes(shown, "exit code 2: permission denied");
  });
});

describe("a provider", () => {
  it("that leaves a process with its pipe returns its value, and the process is ended", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { code, stdout, stderr } = await runJob(path, {
      p: script(`sleep 60 & echo $! > ${path}/pid; echo forked-secret`),
    }, { jobEnv: { A: "${secret:p:x:k}" }, command: "echo $A" });
    assertEquals([code, stdout], [0, "[REDACTED]\n"], stderr);
    const pid = (await Deno.readTextFile(`${path}/pid`)).trim();
    const state = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
    assert(state === "" || / Z /.test(state), state);
  });

  it("that leaves its session with the pipe does not hold up the job", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { code, stdout, stderr } = await runJob(path, {
      p: script(
        `setsid sleep 60 2>&1 & echo $! > ${path}/pid; echo forked-secret`,
      ),
    }, { jobEnv: { A: "${secret:p:x:k}" }, command: "echo $A" });
    Deno.kill(Number(await Deno.readTextFile(`${path}/pid`)), "SIGKILL");
    assertEquals([code, stdout], [0, "[REDACTED]\n"], stderr);
  });

  it("can be defined by a program, and ends with a cancelled job", async () => {
    await using test = await testRunner();
    const { runner, path } = test;
    const env = { A: "${secret:p:x:k}" };
    const { status } = await runner.runJob({
      command: 'test "$A" = library-secret && echo "$A"',
      env,
      secrets: {
        envNames: [],
        providers: { p: script("echo library-secret") },
      },
    });
    assertEquals([status, test.stdout()], ["success", "[REDACTED]\n"]);
    const controller = new AbortController();
    const running = runner.runJob({
      command: "echo ran",
      env,
      secrets: {
        providers: { p: script(`echo > ${path}/started; exec sleep 60`) },
      },
      signal: controller.signal,
    });
    const ended = running.then(
      ({ status }) => ({ status, code: undefined }),
      ({ code }) => ({ status: undefined, code }),
    );
    await until(() => isFileSync(`${path}/started`), "the provider");
    controller.abort();
    const { code, status: end } = await soon(ended, "the end of the job");
    assertEquals(code ?? end, "cancelled");
  });

  it("is refused in a job file, and from the workspace", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job.yaml":
        'command: echo ran\nsecret_providers: { p: { command: ["echo", "x"] } }\n',
      "job/src/p.yaml": "p: { command: [echo, x] }\n",
      "link.yaml": "-> job/src/p.yaml",
      "p.yaml": "p: { command: [echo, x] }\n",
    });
    const inFile = await runMain(["run", "--job-file", "job.yaml"], {
      cwd: path,
    });
    assertEquals([inFile.code, inFile.stdout], [1, ""]);
    assertStringIncludes(
      inFile.stderr,
      "secret_providers must not be in a job file",
    );
    const run = ["run", "--job-command", "echo ran", "--job-env"];
    const reference = "A=${secret:p:x:value}";
    for (const file of ["job/src/p.yaml", "link.yaml"]) {
      const { code, stdout, stderr } = await runMain(
        [...run, reference, "--secret-providers", file],
        { cwd: path },
      );
      assertEquals([code, stdout], [1, ""]);
      assertStringIncludes(
        stderr,
        "it is in the workspace, which jobs can write to",
      );
    }
    const relative = await runMain([...run, reference], {
      cwd: path,
      env: { REACTORCIDE_SECRET_PROVIDERS: "p.yaml" },
    });
    assertEquals([relative.code, relative.stdout], [1, ""]);
    assertStringIncludes(relative.stderr, "must be an absolute path");
    const absolute = await runMain([...run, reference], {
      cwd: path,
      env: { REACTORCIDE_SECRET_PROVIDERS: `${path}/p.yaml` },
    });
    assertEquals([absolute.code, absolute.stdout], [0, "ran\n"]);
  });

  it("is checked by validate and planned by a dry run, but not called", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const providers = { vault: script(`: > ${path}/called; echo secret`) };
    const jobEnv = { A: "${secret:vault:x:k}" };
    const valid = await runJob(path, providers, { jobEnv, args: ["validate"] });
    assertEquals([valid.code, valid.stdout], [
      0,
      "The configuration is valid\n",
    ]);
    const planned = await runJob(path, providers, {
      jobEnv,
      args: ["run", "--dry-run"],
    });
    assertEquals(planned.code, 0);
    assertStringIncludes(
      planned.stderr,
      'Would get key "k" of path "x" from secret provider "vault"',
    );
    for (const args of [["validate"], ["run", "--dry-run"]]) {
      const { code, stderr } = await runJob(path, providers, {
        jobEnv: { A: "${secret:vualt:x:k}" },
        args,
      });
      assertEquals(code, 1);
      assertStringIncludes(
        stderr,
        'no secret provider has this name; did you mean "vault"?',
      );
    }
    assert(!isFileSync(`${path}/called`));
  });

  it("with an invalid definition is reported by validate and doctor", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "p.yaml": `
a: { command: [./tool, "{path}"] }
b: { command: ["{path}"] }
c: { type: file, command: [x] }
d: { type: docker }
e: { command: [x], json_path: a }
env: { command: [x] }
f: {}
`,
    });
    const { code, stderr } = await runMain([
      ...["validate", "--job-command", "true", "--secret-providers", "p.yaml"],
    ], { cwd: path });
    assertEquals(code, 1);
    for (
      const problem of [
        "p.yaml:2:1: a must name its program by an absolute path, or by a name to find on PATH",
        "b must not have {path} or {key} in the name of its program",
        'c has the key "command", which is not allowed with type "file"',
        'd needs the key "helper"',
        'e has the key "json_path", which needs "format: json"',
        "env is built in: use another name",
        'f needs the key "command"',
      ]
    ) assertStringIncludes(stderr, problem);
    const doctor = await runMain([
      ...["doctor", "--secret-providers"],
      '{a: {command: [sh, "{path}"]}, b: {command: [no-such-program]}}',
    ], { cwd: path });
    assertEquals(doctor.code, 1);
    assertStringIncludes(doctor.stdout, "Secret providers:\n  ok      a  ");
    assertStringIncludes(doctor.stdout, "needed  b  no-such-program");
  });
});
