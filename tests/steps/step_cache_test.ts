import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Job, RunnerError } from "../../mod.ts";
import { runShell } from "../helpers/archives.ts";
import { cachedJob } from "../helpers/cached_job.ts";
import { testRunner } from "../helpers/test_runner.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** A step that concatenates its inputs. */
const BUILD = {
  run: "mkdir -p out; cat src/* > out/all; echo built",
  cache: { inputs: "src/**", outputs: "out/**" },
};

describe("cache of a step", () => {
  it("depends on both streams and the exit code of its commands", async () => {
    await using job = await cachedJob({
      build: {
        run: "mkdir -p out && echo built > out/file",
        cache: {
          inputs: "src/**",
          outputs: "out/**",
          commands: ["cat tool/out; cat tool/err >&2; exit $(cat tool/code)"],
        },
      },
    }, { "src/one": "1", "tool/out": "a", "tool/err": "b", "tool/code": "0" });
    await job.run();
    for (
      const [file, text] of [["out", "c"], ["err", "c"], ["code", "3"]] as const
    ) {
      assertEquals((await job.run()).cached, ["build"], file);
      await Deno.writeTextFile(`${job.cwd}/tool/${file}`, text);
      assertEquals((await job.run()).ran, ["build"], file);
    }
  });

  it("restores files with modes and links, outputs, and the log of both streams", async () => {
    await using job = await cachedJob({
      build: {
        run: [
          "mkdir -p out/a/empty && echo built && echo warned >&2",
          "cat src/one > out/a/one && chmod 750 out/a/one",
          "ln -s a/one out/link && ln -s missing out/dangling",
          "ln out/a/one out/hard && : > 'out/with space'",
          "printf 'text<<END\\ntwo\\nlines\\nEND\\n' >> $REACTORCIDE_OUTPUT",
        ].join("\n"),
        cache: { inputs: ["src"], outputs: ["out"] },
      },
      use: {
        run: 'cat out/a/one; echo "$REACTORCIDE_OUTPUT_BUILD_TEXT"',
        depends_on: "build",
      },
    }, { "src/one": "1\n" });
    const show = "find out -printf '%P %y %m %l\\n' | sort; cat out/a/one";
    const first = await job.run();
    assertEquals([first.code, first.ran], [0, ["build", "use"]], first.stderr);
    const before = await runShell(job.cwd, show);
    const log = await Deno.readTextFile(
      `${job.cwd}/job/artifacts/logs/build.log`,
    );
    await runShell(job.cwd, "rm -r out job/artifacts");
    const again = await job.run([
      "--stderr",
      "merged",
      "--report",
      "json=report.json",
    ]);
    assertEquals([again.ran, again.cached], [["use"], ["build"]]);
    assertEquals(await runShell(job.cwd, show), before);
    assertEquals(
      await Deno.readTextFile(`${job.cwd}/job/artifacts/logs/build.log`),
      log,
    );
    assertEquals(again.stdout, first.stdout);
    assertStringIncludes(again.stdout, "use   | two\nuse   | lines\n");
    assertMatch(again.stderr, /✓ build +cached/);
    const report = JSON.parse(
      await Deno.readTextFile(`${job.cwd}/report.json`),
    );
    const [build, use] = report.steps;
    assertEquals(
      [build.cached, build.outcome, build.attempts, build.outputs],
      [true, "success", [], ["text"]],
    );
    assertEquals(use.cached, undefined);
    // Files that are up to date are not unpacked again.
    await runShell(job.store, "rm -r v1/local/packs/*");
    assertEquals((await job.run()).cached, ["build"]);
  });

  it("keeps standard error separate, and masks secrets that have become known since", async () => {
    await using job = await cachedJob({
      build: {
        run: "echo out; cat src/one >&2; echo more",
        cache: { inputs: "src/**" },
      },
    }, { "src/one": "hidden-value\n" });
    await job.run(["--stderr", "separate"]);
    const { cached, stdout, stderr } = await job.run(
      ["--stderr", "separate", "--inherit-env", "PATH"],
      { MY_TOKEN: "hidden-value" },
    );
    assertEquals([cached, stdout], [["build"], "out\nmore\n"]);
    assertStringIncludes(stderr, "[REDACTED]");
    assertNotMatch(stderr, /hidden-value/);
  });

  it("reads and writes as the mode of the job and of the step allow", async () => {
    await using job = await cachedJob({ build: BUILD }, { "src/one": "1" });
    const cached = async (...args: string[]) =>
      (await job.run(args)).cached.length === 1;
    assertEquals(await cached("--cache", "read-only"), false);
    assertEquals(await cached("--cache", "off"), false);
    assertEquals(await cached("--cache", "write-only"), false);
    assertEquals(await cached("--cache", "read-only"), true);
    assertEquals(await cached("--cache", "write-only"), false);
    assertEquals(await cached("--cache", "off"), false);
    assertEquals(
      (await job.run([], { REACTORCIDE_CACHE: "off" })).cached,
      [],
    );
    for (const [mode, expected] of [["read-only", 1], ["write-only", 0]]) {
      const cache = { ...BUILD.cache, mode };
      await job.define({ build: { ...BUILD, cache } });
      assertEquals((await job.run()).cached.length, expected);
    }
    await job.define({ build: BUILD });
    assertEquals((await job.run(["--only", "build"])).cached, ["build"]);
  });

  it("caches only steps that succeed at the first attempt and do not change their inputs", async () => {
    const cache = { inputs: ["src/**"], outputs: ["out/**"] };
    const steps = {
      failing: { run: "exit 3", continue_on_error: true, cache },
      flaky: {
        run: "test -e tried || { : > tried; exit 1; }",
        retry: { attempts: 2, delay: 0 },
        cache,
      },
      changing: { run: "date +%N >> src/one", cache },
      device: { run: "mkdir -p out; mkfifo out/pipe$$", cache },
      outside: { run: "mkdir -p out; ln -sf /etc out/etc", cache },
      typo: { run: "true", cache: { inputs: "sources/**" } },
      outer: { run: "true", working_dir: "/job", cache },
    };
    for (const [name, step] of Object.entries(steps)) {
      await using job = await cachedJob({ [name]: step }, { "src/one": "1" });
      for (let count = 0; count < 2; count++) {
        const { cached, stderr } = await job.run();
        assertEquals(cached, [], name);
        if (name === "failing" || name === "flaky" && count === 1) continue;
        assertMatch(stderr, new RegExp(`${name}: not cached: `), name);
      }
    }
  });

  it("runs a step even if its files cannot be read, and says so", async () => {
    await using job = await cachedJob({
      deep: {
        // The path of the last directory is longer than Linux allows.
        run: `mkdir out; cd out; name=$(printf '%0200d' 0)
for _ in $(seq 30); do mkdir $name; cd $name 2>/dev/null || break; done`,
        cache: { inputs: "a", outputs: "out/**" },
      },
    }, { a: "1" });
    const { code, ran, stderr } = await job.run();
    assertEquals([code, ran], [0, ["deep"]], stderr);
    assertMatch(
      stderr,
      /deep: not cached: its files cannot be read: file name too long\n/,
    );
    await runShell(job.cwd, "rm -rf out");
    assertEquals((await job.run()).ran, ["deep"]);
    await runShell(job.cwd, "rm -rf out");
  });

  it("removes only files that earlier runs created", async () => {
    await using job = await cachedJob({
      build: {
        run: "mkdir -p out/sub; for f in src/*; do cp $f out/sub; done",
        cache: { inputs: "src/**", outputs: "out/**" },
      },
    }, { "src/a": "1", "src/b": "2", "out/own": "mine" });
    await job.run();
    const both = await listFiles(`${job.cwd}/out`);
    await Deno.remove(`${job.cwd}/src/b`);
    await job.run();
    const one = { "own": "mine", "sub/": "", "sub/a": "1" };
    assertEquals(await listFiles(`${job.cwd}/out`), one);
    await makeFiles(job.cwd, { "src/b": "2" });
    assertEquals((await job.run()).cached, ["build"]);
    assertEquals(await listFiles(`${job.cwd}/out`), both);
    await Deno.remove(`${job.cwd}/src/b`);
    assertEquals((await job.run()).cached, ["build"]);
    assertEquals(await listFiles(`${job.cwd}/out`), one);
  });

  it("depends on the results of the steps that it needs, not on how they were computed", async () => {
    await using job = await cachedJob({
      build: BUILD,
      use: {
        run: "cat out/all",
        depends_on: "build",
        cache: { inputs: "job.yaml" },
      },
    }, { "src/one": "1" });
    await job.run();
    await makeFiles(job.cwd, { "src/two": "2" });
    assertEquals((await job.run()).ran, ["build", "use"]);
    // The same files from other inputs.
    await makeFiles(job.cwd, { "src/one": "", "src/two": "12" });
    const { ran, cached } = await job.run();
    assertEquals([ran, cached], [["build"], ["use"]]);
    // Alone, it depends on the files that are there.
    assertEquals((await job.run(["--only", "use"])).cached, ["use"]);
  });

  it("works for each combination of a matrix, and in the directory of a step", async () => {
    await using job = await cachedJob({
      build: {
        run: "mkdir -p out; cat one ../root > out/$V",
        working_dir: "part",
        matrix: { V: ["x", "y"] },
        cache: { inputs: ["*", "/root", "!skipped"], outputs: "out/$V*/../x" },
      },
    }, { "part/one": "1", "part/skipped": "s", "root": "r" });
    const { code, stderr } = await job.run();
    assertEquals(code, 1);
    assertStringIncludes(stderr, 'must not contain ".."');
    await job.define({
      build: {
        run: "mkdir -p out-$V; cat one ../root > out-$V/all",
        working_dir: "part",
        matrix: { V: ["x", "y"] },
        cache: { inputs: ["*", "/root", "!skipped"], outputs: "out-*/**" },
      },
    });
    await job.run(["--concurrency", "1"]);
    await makeFiles(job.cwd, { "part/skipped": "changed" });
    assertEquals((await job.run(["--concurrency", "1"])).ran, []);
    await makeFiles(job.cwd, { root: "changed" });
    assertEquals((await job.run(["--concurrency", "1"])).cached, []);
  });

  it("is available for programs, but not for functions", async () => {
    const cache = { inputs: ["src/**"] };
    const statuses = async (job: Job) => {
      await using test = await testRunner();
      const store = `${test.path}/store`;
      await makeFiles(test.path, { "src/one": "1" });
      const results = [];
      for (let count = 0; count < 2; count++) {
        results.push(await test.runner.runJob(job, { cache: { store } }));
      }
      return results.map(({ steps }) => steps[0].cached ?? false);
    };
    assertEquals(
      await statuses(new Job("j").addStep("build", "echo built", { cache })),
      [false, true],
    );
    await assertRejects(
      () => statuses(new Job("j").addStep("build", () => {}, { cache })),
      RunnerError,
      "cache is only for steps that run a command",
    );
  });
});

describe("secrets and untrusted steps in the cache", () => {
  it("does not cache a step that receives a secret, unless it allows that", async () => {
    await using job = await cachedJob({ build: BUILD }, { "src/one": "1" });
    const env = { MY_TOKEN: "hidden-value" };
    for (let count = 0; count < 2; count++) {
      const { cached, stderr } = await job.run([], env);
      assertEquals(cached, []);
      assertStringIncludes(stderr, 'the variable "MY_TOKEN" contains a secret');
    }
    assertEquals((await job.run(["--inherit-env", "PATH"], env)).cached, []);
    assertEquals(
      (await job.run(["--inherit-env", "PATH"], env)).cached,
      ["build"],
    );
    const cache = { ...BUILD.cache, secrets: true, env: ["MY_TOKEN"] };
    await job.define({ build: { ...BUILD, run: `${BUILD.run} x`, cache } });
    assertEquals((await job.run([], env)).cached, []);
    // The result must not depend on it.
    const other = { MY_TOKEN: "another-value" };
    assertEquals((await job.run([], other)).cached, ["build"]);
  });

  it("never saves a secret, wherever a step puts it", async () => {
    const cache = { inputs: "src/**", outputs: "out/**", secrets: true };
    const steps = {
      file: "mkdir -p out; printf %s $MY_TOKEN | base64 > out/file",
      output: 'echo "value=$MY_TOKEN" >> $REACTORCIDE_OUTPUT',
      name: "mkdir -p out; : > out/$MY_TOKEN",
      link: "mkdir -p out; ln -sf $MY_TOKEN out/link",
    };
    const env = { MY_TOKEN: "hidden-value" };
    for (const [name, run] of Object.entries(steps)) {
      await using job = await cachedJob({ [name]: { run, cache } }, {
        "src/one": "1",
      });
      const { stderr } = await job.run([], env);
      assertMatch(stderr, new RegExp(`${name}: not cached: .* secret`));
      assertEquals((await job.run([], env)).cached, [], name);
    }
    await using job = await cachedJob({
      log: { run: "echo $MY_TOKEN; echo end", cache },
    }, { "src/one": "1" });
    await job.run([], env);
    const { cached, stdout } = await job.run([], env);
    assertEquals([cached, stdout], [["log"], "[REDACTED]\nend\n"]);
    const found = await runShell(
      job.store,
      "grep -r hidden-value . || echo none",
    );
    assertEquals(found.trim(), "none");
  });

  it("keeps results of untrusted steps separate, and saves none after them", async () => {
    const untrusted = { ...BUILD, untrusted: true };
    await using job = await cachedJob({ build: untrusted }, { "src/one": "1" });
    await job.run();
    assertEquals((await job.run()).cached, ["build"]);
    assertEquals(await exists(`${job.store}/v1/local/steps`), false);
    assert(await exists(`${job.store}/v1/local.untrusted/steps`));
    // The same step as a trusted one.
    await job.define({ build: BUILD });
    assertEquals((await job.run()).cached, []);
    assertEquals((await job.run()).cached, ["build"]);
    // A trusted step that runs after an untrusted one may use what it changed.
    await makeFiles(job.cwd, { "src/two": "2" });
    const steps = {
      pull: { run: "true", untrusted: true },
      build: { ...BUILD, depends_on: "pull" },
    };
    await job.define(steps);
    for (let count = 0; count < 2; count++) {
      const { cached, stderr } = await job.run();
      assertEquals(cached, []);
      assertStringIncludes(stderr, "build: not cached: an untrusted step");
    }
    const { code, stderr } = await job.run([], {
      REACTORCIDE_CACHE_NAMESPACE: "local.untrusted",
    });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "are for untrusted steps");
  });

  it("reads the namespaces of others, and writes only its own", async () => {
    await using job = await cachedJob({ build: BUILD }, { "src/one": "1" });
    await job.run([], { REACTORCIDE_CACHE_NAMESPACE: "main" });
    const proposal = {
      REACTORCIDE_CACHE_NAMESPACE: "pr-7",
      REACTORCIDE_CACHE_READ_FROM: "main",
    };
    assertEquals((await job.run([], proposal)).cached, ["build"]);
    await makeFiles(job.cwd, { "src/one": "2" });
    assertEquals((await job.run([], proposal)).cached, []);
    assertEquals((await job.run([], proposal)).cached, ["build"]);
    const main = { REACTORCIDE_CACHE_NAMESPACE: "main" };
    assertEquals((await job.run([], main)).cached, []);
  });
});

describe("--cache-audit", () => {
  it("fails if a step has a different result, and names the differences", async () => {
    await using job = await cachedJob({
      build: {
        run: "mkdir -p out; cat src/one > out/same; date +%N > out/time",
        cache: { inputs: "src/**", outputs: "out/**" },
      },
    }, { "src/one": "1" });
    await job.run();
    const { code, cached, stderr } = await job.run(["--cache-audit"]);
    assertEquals([code, cached], [1, []], stderr);
    assertStringIncludes(stderr, 'build: "out/time" has different content');
    assertNotMatch(stderr, /out\/same/);
  });

  it("reports that the files of a step cannot be read", async () => {
    await using job = await cachedJob({
      deep: {
        run: `mkdir -p out; cd out; name=$(printf '%0200d' 0)
[ -e ../deep ] || exit 0
for _ in $(seq 30); do mkdir $name; cd $name 2>/dev/null || break; done`,
        cache: { inputs: "a", outputs: "out/**" },
      },
    }, { a: "1" });
    await job.run();
    assertEquals((await job.run()).cached, ["deep"]);
    await makeFiles(job.cwd, { deep: "" });
    const { code, ran, stderr } = await job.run(["--cache-audit"]);
    assertEquals([code, ran], [0, ["deep"]], stderr);
    assertMatch(stderr, /deep: not cached: its files cannot be read/);
    await runShell(job.cwd, "rm -rf out");
  });

  it("names files that are read, but are not inputs", async () => {
    await using job = await cachedJob({
      build: {
        run:
          "mkdir -p out; cat src/one 'ot her' > out/all; echo x > tmp; cat tmp; echo $OWN > out/own",
        env: { OWN: "also in the audit" },
        cache: { inputs: "src/**", outputs: "out/**" },
      },
    }, { "src/one": "1", "ot her": "2" });
    await job.run();
    const { code, stderr } = await job.run(["--cache-audit"]);
    assertEquals(code, 0, stderr);
    assertMatch(
      stderr,
      /reads files that are not inputs: "ot her"\n|the files that it reads are unknown/,
    );
    assertMatch(stderr, /build: its result is the same again/);
  });
});

describe("settings of the cache", () => {
  it("reports what cannot be cached before anything runs", async () => {
    const cases: [Record<string, unknown>, RegExp][] = [
      [{ run: "true", cache: {} }, /inputs/],
      [{ run: "true", cache: { inputs: [] } }, /must not be empty/],
      [{ run: "true", cache: { inputs: "../x" } }, /must not contain "\.\."/],
      [{ run: "true", cache: { inputs: "!" } }, /must name files/],
      [{ run: "true", cache: { inputs: "a", mode: "on" } }, /read-write/],
      [{ run: "true", cache: { inputs: "a", keys: "b" } }, /keys/],
      [
        { run: "true", background: true, cache: { inputs: "a" } },
        /is not for background steps/,
      ],
      [
        { run: "true", service: true, ports: "p", cache: { inputs: "a" } },
        /is not for a service/,
      ],
    ];
    for (const [step, pattern] of cases) {
      await using directory = await temporaryDirectory();
      await makeFiles(directory.path, {
        "job.yaml": JSON.stringify({ steps: { build: step } }),
      });
      const { code, stderr } = await runMain(
        ["run", "--job-file", "job.yaml"],
        { cwd: directory.path },
      );
      assertEquals(code, 1);
      assertMatch(stderr, pattern);
    }
  });
});
