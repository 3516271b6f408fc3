import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { runZoo, zooPlugin } from "../helpers/plugin_zoo.ts";
import { testRunner } from "../helpers/test_runner.ts";
import { exists, temporaryDirectory } from "../helpers/temporary_directory.ts";

const RAN = "ran\n";

/**
 * Plugins that try what they are not permitted to do, and the expected end of
 * the job.
 */
const THIEVES: [what: string, body: string, state: RegExp, more?: string][] = [
  [
    "reads ~/.ssh",
    `await Deno.readTextFile(Deno.env.get("HOME") + "/.ssh/id_rsa")`,
    /no env access to "HOME"/,
  ],
  [
    "reads a key",
    `await Deno.readTextFile("/root/.ssh/id_rsa")`,
    /no read access to "\/root\/\.ssh\/id_rsa".*--allow-plugin beast:read=\/root\/\.ssh\/id_rsa/,
  ],
  [
    "reads a key through node:fs",
    `(await import("node:fs")).readFileSync("/root/.ssh/id_rsa")`,
    /no read access to "\/root\/\.ssh\/id_rsa"/,
  ],
  [
    "reads the memory of others",
    `await Deno.readTextFile("/proc/" + Deno.ppid + "/environ")`,
    /no read access|no all access|Requires all access/,
  ],
  [
    "writes outside",
    `await Deno.writeTextFile("/tmp/beast", "x")`,
    /no write access to "\/tmp\/beast".*plugin_permissions: \{beast: \{write: \["\/tmp\/beast"\]\}\}/,
  ],
  [
    "opens a connection",
    `await fetch("http://127.0.0.1:8099/x")`,
    /no net access to "127\.0\.0\.1:8099"/,
  ],
  [
    "opens a socket",
    `Deno.listen({ port: 0 })`,
    /no net access to "0\.0\.0\.0:0"/,
  ],
  [
    "spawns a shell",
    `await new Deno.Command("sh", { args: ["-c", "id"] }).output()`,
    /no run access to "sh"/,
  ],
  [
    "spawns a shell through node:child_process",
    `(await import("node:child_process")).execSync("id")`,
    /no (run|env) access/,
  ],
  ["kills its parent", `Deno.kill(Deno.ppid, "SIGKILL")`, /no run access/],
  ["asks the system", `Deno.hostname()`, /no sys access to "hostname"/],
  ["calls native code", `Deno.dlopen("libc.so.6", {})`, /ffi|not a function/],
  [
    "loads code from afar",
    `await import("https://deno.land/std/" + "version.ts")`,
    /--no-remote/,
  ],
  [
    "lets a worker do it",
    `const text = 'import x from "file:///etc/hostname" with { type: "text" }';
     const worker = new Worker(URL.createObjectURL(new Blob([text])),
       { type: "module" });
     await new Promise((_, reject) => worker.onerror = (event) => {
       event.preventDefault();
       reject(new Error(event.message));
     })`,
    /no read access to "\/etc\/hostname"|more memory than a plugin may have/,
  ],
  [
    "keeps something for the next job",
    `localStorage.setItem("key", "value")`,
    /localStorage is not defined/,
  ],
  [
    "keeps a response for another plugin",
    `await (await caches.open("a")).put("http://a/", new Response("b"))`,
    /caches is not defined/,
  ],
  ["sets a variable", `context.env.PATH = "/tmp"`, /no env access to "PATH"/],
  [
    "adds a step",
    `context.addStep({ name: "theirs", run: "id" })`,
    /no steps access to "theirs"/,
  ],
];

for (const [what, body, state, more] of THIEVES) {
  Deno.test(`a plugin that ${what} is refused and reported`, async () => {
    const { message, stdout } = await runZoo({
      "beast.ts": zooPlugin(body, more),
    });
    assertMatch(message, /^Cannot run plugin "beast" in phase pre_execution: /);
    assertMatch(message, state);
    assertEquals(stdout, "");
  });
}

Deno.test("no two plugins share the location that selects Deno's web storage", async () => {
  const body = "context.log(location.origin)";
  const { stderr } = await runZoo({
    "beast.ts": zooPlugin(body),
    "other.ts": zooPlugin(body).replace("beast", "other"),
  });
  const origins = stderr.match(/https:\/\/[0-9a-f-]+\.invalid/g) ?? [];
  assertEquals([origins.length, new Set(origins).size], [2, 2], stderr);
});

Deno.test("a manifest cannot smuggle a host in after a comma", async () => {
  for (const kind of ["net", "import"]) {
    const value = "127.0.0.1:8099,x.example.com";
    const { message, stdout } = await runZoo({
      "beast.ts": zooPlugin(
        `await fetch("http://127.0.0.1:8099/")`,
        `export const manifest = { permissions: { ${kind}: ["${value}"] } };`,
      ),
    }, { plugins: { permissions: { beast: { [kind]: ["*.example.com"] } } } });
    assertStringIncludes(
      message,
      `in the permission "${kind}" of its manifest, "${value}" cannot be permitted`,
    );
    assertEquals(stdout, "");
  }
});

Deno.test("a plugin cannot smuggle files in with its imports", async () => {
  await using outside = await temporaryDirectory();
  await Deno.writeTextFile(`${outside.path}/key.json`, `{"key":"s3cr3t"}`);
  const { message, stderr } = await runZoo({
    "beast.ts":
      `import key from "file://${outside.path}/key.json" with { type: "json" };
      console.log(key);
      export default { name: "beast" };`,
  });
  assertMatch(message, /^Cannot load plugin ".*plugin_beast\.ts": /);
  assertStringIncludes(message, `no read access to "${outside.path}/key.json"`);
  assert(!stderr.includes("s3cr3t"), stderr);
});

Deno.test("a plugin sees no variables of the runner", async () => {
  const { stderr } = await runZoo({
    "beast.ts": zooPlugin(
      `context.log("sees " + Object.keys(context.env).join());
       for (const name of ["REACTORCIDE_API_TOKEN", "SLACK_URL", "OTHER"]) {
         try { context.log(name + "=" + Deno.env.get(name)); }
         catch { context.log(name + " refused"); }
       }`,
      `export const manifest = { permissions: { env: ["SLACK_*", "REACTORCIDE_*"] } };`,
    ),
  }, {
    env: { SLACK_ROOM: "a", PASSWORD: "s3cr3t" },
    hostEnv: {
      REACTORCIDE_API_TOKEN: "t0k3n-t0k3n",
      SLACK_URL: "u",
      OTHER: "o",
    },
    plugins: { permissions: { beast: { env: ["*"] } } },
  });
  assertStringIncludes(stderr, "sees SLACK_ROOM\n");
  assertStringIncludes(stderr, "REACTORCIDE_API_TOKEN=undefined");
  assertStringIncludes(stderr, "SLACK_URL=u\n");
  assertStringIncludes(stderr, "OTHER refused");
});

Deno.test("a secret that a plugin prints is masked, even in base64", async () => {
  const { stderr, result } = await runZoo({
    "beast.ts": zooPlugin(
      `const { TOKEN } = context.env;
       console.log(TOKEN, btoa("x" + TOKEN));
       context.log(TOKEN);
       Deno.stderr.writeSync(new TextEncoder().encode(TOKEN + "\\n"));
       context.registerSecret("0ther-s3cr3t");
       console.log("0ther-s3cr3t");`,
      `export const manifest = { permissions: { env: ["TOKEN"] } };`,
    ),
  }, {
    env: { TOKEN: "s3cr3t-t0k3n" },
    secrets: { envNames: ["TOKEN"] },
    plugins: { permissions: { beast: { env: ["TOKEN"] } } },
  });
  assertEquals(result?.status, "success");
  for (const text of ["s3cr3t", btoa("s3cr3t-t0k3n").slice(4, 12)]) {
    assert(!stderr.includes(text), stderr);
  }
  assertEquals(stderr.match(/\[REDACTED\]/g)?.length, 5);
});

/** A secret whose lines are too short to be masked one by one. */
const CODES = "ab12-cd\nef34-gh\nij56-kl";

/** Ways in which a plugin prints `TEXT`. */
const SPEECHES: [what: string, body: string][] = [
  ["in one message", `context.log("codes: " + TEXT + " end")`],
  [
    "line by line",
    `for (const line of TEXT.split("\\n")) context.log(line)`,
  ],
  [
    "on the console",
    `console.error(TEXT.split("\\n")[0]);
     console.info(TEXT.split("\\n").slice(1).join("\\n"))`,
  ],
  [
    "on standard error, in pieces",
    `for (const character of TEXT) {
       Deno.stderr.writeSync(new TextEncoder().encode(character));
       await new Promise((resolve) => setTimeout(resolve, 1));
     }`,
  ],
  ["in an error", `throw new Error("codes: " + TEXT)`],
  ["in an error that is logged", `console.log(new Error(TEXT))`],
  ["in an error of the clean-up", `context.env.LATER = "1"`],
  [
    "in the place of a message",
    `Deno.stdout.writeSync(new TextEncoder().encode(TEXT + "\\n"));
     await new Promise(() => setTimeout(() => {}, 1e6))`,
  ],
  ["as the name of a metric", `context.metric(TEXT, 1)`],
  ["as a name of a variable", `context.env[TEXT] = "x"`],
  ["as the name of a step", `context.addStep({ name: TEXT, run: "true" })`],
  ["as a file", `Deno.readTextFileSync("/" + TEXT)`],
];

for (const [what, body] of SPEECHES) {
  Deno.test(`a multi-line secret that a plugin prints ${what} is masked completely`, async () => {
    const { result, message, stderr } = await runZoo({
      "beast.ts":
        `export const manifest = { permissions: { env: ["CODES", "LATER"] } };
        export default {
          name: "beast",
          async preExecution(context) {
            const TEXT = context.env.CODES;
            context.log("before");
            ${body};
            context.log("after");
          },
          cleanup(context) { if (context.env.LATER) throw context.env.CODES; },
        };`,
    }, {
      env: { CODES },
      secrets: { envNames: ["CODES"] },
      plugins: { permissions: { beast: { env: ["CODES", "LATER"] } } },
    });
    const metrics = result?.metrics.map(({ name }) => name).join() ?? "";
    assertStringIncludes(stderr, "[plugin:beast] before\n");
    for (const line of CODES.split("\n")) {
      assert(!(stderr + metrics).includes(line), stderr + metrics);
    }
    if (message === "") assertStringIncludes(stderr, "[plugin:beast] after\n");
  });
}

Deno.test("a plugin in the runner's process cannot split a secret into lines either", async () => {
  await using test = await testRunner();
  test.runner.registerPlugin({
    name: "inside",
    preExecution({ env, log }) {
      for (const line of env.CODES.split("\n")) log(line);
      log("first\n[runnerlib] error: forged");
    },
  });
  await test.runner.runJob({
    command: "true",
    env: { CODES },
    secrets: { envNames: ["CODES"] },
  });
  for (const line of CODES.split("\n")) {
    assert(!test.stderr().includes(line), test.stderr());
  }
  assertStringIncludes(
    test.stderr(),
    "[plugin:inside] first\n[plugin:inside] [runnerlib] error: forged\n",
  );
});

const FORGED = "\n[runnerlib] error: forged";

Deno.test("names and messages of plugins cannot forge lines of the runner", async () => {
  const hostile = {
    "in its name": `export default { name: "x" + F, execute() {} }`,
    "in its error": `export default { name: "x",
      execute() { throw new Error("y" + F); } }`,
    "in a message": `export default { name: "x",
      execute({ log }) { log("y" + F); console.log("z\\r" + F); } }`,
    "on standard error": `export default { name: "x", execute() {
      Deno.stderr.writeSync(new TextEncoder().encode("y" + F + "\\n")); } }`,
    "in a phase": `export default { name: "x", phases: ["y" + F] }`,
    "when it is loaded": `throw new Error("y" + F)`,
    "in its manifest": `export const manifest = { permissions: {
      net: ["a.com" + F] } };export default { name: "x" }`,
  };
  for (const [what, text] of Object.entries(hostile)) {
    const { stderr } = await runZoo({
      "x.ts": text.replaceAll("F", JSON.stringify(FORGED)),
    });
    assert(!/^\[runnerlib\] error: forged/m.test(stderr), `${what}: ${stderr}`);
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/.test(stderr), what);
  }
});

Deno.test("a file whose name could forge lines of the log is not loaded", async () => {
  const { message } = await runZoo({
    [`x${FORGED}.ts`]: `export default { name: "x" };`,
  });
  assertStringIncludes(
    message,
    'x\\u{a}[runnerlib] error: forged.ts": its name contains control characters',
  );
});

/** Plugins that misbehave, and the reasons with which they are ended. */
const ROWDIES: [what: string, body: string, state: RegExp, more?: string][] = [
  [
    "exits in the middle",
    `Deno.exit(7)`,
    /its process ended with exit code 7; it is not called again$/,
  ],
  [
    "allocates objects without end",
    `const all = []; for (;;) all.push(new Array(1e6).fill(Math.random()))`,
    /it needed more memory than a plugin may have/,
  ],
  [
    "allocates buffers without end",
    `const all = []; for (;;) all.push(new Uint8Array(1 << 26).fill(1))`,
    /Array buffer allocation failed|more memory than a plugin may have/,
  ],
  [
    "answers garbage",
    `Deno.stdout.writeSync(new TextEncoder().encode("garbage\\n"));
     await new Promise(() => setTimeout(() => {}, 1e6))`,
    /it sent an invalid message: "garbage"/,
  ],
  [
    "answers a call that was not made",
    `Deno.stdout.writeSync(new TextEncoder().encode(
       '{"type":"done","id":77,"changes":{}}\\n'));
     await new Promise(() => setTimeout(() => {}, 1e6))`,
    /it answered a call that does not exist/,
  ],
  [
    "floods",
    `for (;;) console.log("x".repeat(1e5))`,
    /it sent more than 8388608 bytes at once/,
  ],
  [
    "sends a line without end",
    `const bytes = new Uint8Array(1 << 16).fill(65);
     for (;;) Deno.stdout.writeSync(bytes)`,
    /it sent a message of more than 1048576 characters/,
  ],
  [
    "asks for changes that are none",
    `Deno.stdout.writeSync(new TextEncoder().encode(
       '{"type":"done","id":1,"changes":{"env":{"A":5}}}\\n'));
     await new Promise(() => setTimeout(() => {}, 1e6))`,
    /it cannot set env "A" to the requested value/,
    `export const manifest = { permissions: { env: ["*"] } };`,
  ],
];

for (const [what, body, state, more] of ROWDIES) {
  Deno.test(`a plugin that ${what} is ended and reported`, async () => {
    const { message, stdout } = await runZoo({
      "beast.ts": zooPlugin(body, more),
    }, { plugins: { permissions: { beast: { env: ["*"] } } } });
    assertMatch(message, /^Cannot run plugin "beast" in phase pre_execution: /);
    assertMatch(message, state);
    assertEquals(stdout, "");
  });
}

Deno.test("a plugin in an endless loop ends with the job", async () => {
  const { message, stderr } = await runZoo({
    "beast.ts": zooPlugin(`context.log("looping"); for (;;);`),
  }, { cancelAt: "looping", handleSignals: false });
  assertEquals(message, "The job was cancelled by SIGTERM");
  assertStringIncludes(
    stderr,
    'Cannot run plugin "beast" in phase pre_execution: it did not end',
  );
});

Deno.test("a failing plugin with the policy to continue does not fail the job", async () => {
  const { result, stdout, stderr } = await runZoo({
    "beast.ts": `export default {
      name: "beast",
      errorPolicy: "continue",
      preExecution() { Deno.exit(3); },
      cleanup({ log }) { log("never"); },
    };`,
    "tame.ts": `export default {
      name: "tame",
      cleanup({ log, shared }) { log("last " + shared.size); },
    };`,
  });
  assertEquals(result?.status, "success");
  assertEquals(result?.laterErrors.length, 1);
  assertEquals(stdout, RAN);
  assertStringIncludes(stderr, "its process ended with exit code 3");
  assertStringIncludes(stderr, "[plugin:tame] last 0");
  assert(!stderr.includes("never"), stderr);
});

Deno.test("a plugin cannot change objects of other plugins", async () => {
  const { result, stderr } = await runZoo({
    "a.ts": `export default {
      name: "a",
      preValidation({ state, shared, config }) {
        state.set("mine", 1);
        shared.set("ours", { list: [1] });
      },
      cleanup({ state, shared, log }) {
        log(JSON.stringify([state.get("mine"), shared.get("ours")]));
      },
    };`,
    "b.ts": `export default {
      name: "b",
      postValidation(context) {
        for (const name of ["state", "shared", "env"]) {
          try { context[name] = null; } catch { context.log("frozen"); }
        }
        context.state.set("mine", 2);
        Object.prototype.polluted = true;
        Map.prototype.get = () => "mine now";
      },
    };`,
  });
  assertEquals(result?.status, "success");
  assertStringIncludes(stderr, `[plugin:a] [1,{"list":[1]}]`);
  assertEquals("polluted" in {}, false);
});

Deno.test("a plugin does not outlive its job", async () => {
  const { result } = await runZoo({
    "beast.ts": `export const manifest = { permissions: {
        read: ["$JOB_DIR"], write: ["$JOB_DIR"] } };
      export default { name: "beast", preExecution({ jobPath }) {
        Deno.mkdirSync(jobPath, { recursive: true });
        setInterval(() => Deno.writeTextFileSync(jobPath + "/alive", ""), 5);
      } };`,
  }, {
    plugins: { permissions: { beast: { write: ["$JOB_DIR"] } } },
    async inspect(path) {
      await Deno.remove(`${path}/job/alive`).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 50));
      assertEquals(await exists(`${path}/job/alive`), false);
    },
  });
  assertEquals(result?.status, "success");
});
