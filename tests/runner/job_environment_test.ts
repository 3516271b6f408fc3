import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DEFAULT_RUNNER_IMAGE,
  SECRET_VARIABLES,
  Variable,
} from "../../src/environment/variables.ts";
import { traceContext } from "../../src/runner/job_environment.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";

describe("traceContext()", () => {
  it("passes a valid parent on unchanged, with its trace state", () => {
    for (
      const parent of [
        `00-${TRACE_ID}-${SPAN_ID}-00`,
        `00-${TRACE_ID}-${SPAN_ID}-01`,
        `00-${TRACE_ID}-${SPAN_ID}-03`,
        `00-${TRACE_ID}-${SPAN_ID}-ff`,
        `01-${TRACE_ID}-${SPAN_ID}-00`,
        `cc-${TRACE_ID}-${SPAN_ID}-01-what-the-future-brings`,
      ]
    ) {
      const TRACESTATE = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";
      const context = traceContext({ TRACEPARENT: parent, TRACESTATE });
      assertEquals(context.traceId, TRACE_ID);
      assertEquals(context.parentSpanId, SPAN_ID);
      assertEquals(context.sampled, !parent.startsWith("-00", 52));
      assertEquals(context.variables, { TRACEPARENT: parent, TRACESTATE });
      const stateless = traceContext({ TRACEPARENT: parent, TRACESTATE: "" });
      assertEquals(stateless.variables, { TRACEPARENT: parent });
    }
  });

  it("starts a trace if the parent is invalid, and drops its state", () => {
    for (
      const TRACEPARENT of [
        "",
        "garbage",
        `00-${TRACE_ID}-${SPAN_ID}`,
        `00-${TRACE_ID}-${SPAN_ID}-1`,
        `00-${TRACE_ID}-${SPAN_ID}-01-more`,
        `00-${TRACE_ID}-${SPAN_ID}-01\n`,
        ` 00-${TRACE_ID}-${SPAN_ID}-01`,
        `00-${TRACE_ID.toUpperCase()}-${SPAN_ID}-01`,
        `00-${"0".repeat(32)}-${SPAN_ID}-01`,
        `00-${TRACE_ID}-${"0".repeat(16)}-01`,
        `ff-${TRACE_ID}-${SPAN_ID}-01`,
        `cc-${TRACE_ID}-${SPAN_ID}-01.more`,
        `0-${TRACE_ID}-${SPAN_ID}-01`,
      ]
    ) {
      const { traceId, variables } = traceContext({
        TRACEPARENT,
        TRACESTATE: "a=b",
      });
      assertMatch(traceId, /^(?!0+$)[0-9a-f]{32}$/, TRACEPARENT);
      assert(traceId !== TRACE_ID, TRACEPARENT);
      assertEquals(Object.keys(variables), ["TRACEPARENT"], TRACEPARENT);
      assertMatch(
        variables.TRACEPARENT,
        new RegExp(`^00-${traceId}-(?!0+-)[0-9a-f]{16}-01$`),
      );
    }
  });
});

describe("the command of a job", () => {
  it("continues the trace of the runner", async () => {
    const TRACEPARENT = `00-${TRACE_ID}-${SPAN_ID}-00`;
    for (const inheritEnv of [true, false]) {
      await using test = await testRunner({ TRACEPARENT, TRACESTATE: "a=b" });
      const { traceId } = await test.runner.runJob({
        command: 'echo "$TRACEPARENT $TRACESTATE"',
        inheritEnv,
      });
      assertEquals(test.stdout(), `${TRACEPARENT} a=b\n`);
      assertEquals(traceId, TRACE_ID);
    }
  });

  it("gets the image of the runner, configured or not", async () => {
    const images: [Record<string, string>, string][] = [
      [{}, DEFAULT_RUNNER_IMAGE],
      [{ REACTORCIDE_RUNNER_IMAGE: "" }, DEFAULT_RUNNER_IMAGE],
      [{ REACTORCIDE_RUNNER_IMAGE: "an/image:1" }, "an/image:1"],
    ];
    for (const [env, image] of images) {
      for (const inheritEnv of [true, false]) {
        await using test = await testRunner(env);
        await test.runner.runJob({
          command: "echo $REACTORCIDE_RUNNER_IMAGE",
          inheritEnv,
        });
        assertEquals(test.stdout(), `${image}\n`);
      }
    }
  });

  it("starts its own trace, and gets nothing of an invalid one", async () => {
    await using test = await testRunner({
      TRACEPARENT: "x",
      TRACESTATE: "a=b",
    });
    const { traceId } = await test.runner.runJob({
      command: 'echo "$TRACEPARENT ${TRACESTATE-unset}"',
    });
    assertMatch(test.stdout(), new RegExp(`^00-${traceId}-.{16}-01 unset\n$`));
  });

  it("inherits only allowed variables", async () => {
    for (
      const [inheritEnv, expected] of [
        [true, "a b 1 unset"],
        [["B"], "unset b 1 unset"],
        [false, "unset unset 1 unset"],
      ] as const
    ) {
      await using test = await testRunner({
        A: "a",
        B: "b",
        REACTORCIDE_JOB_ID: "1",
        GIT_DIR: "/of/a/hook",
      });
      await test.runner.runJob({
        command:
          'echo "${A-unset} ${B-unset} $REACTORCIDE_JOB_ID ${GIT_DIR-unset}"',
        inheritEnv,
      });
      assertEquals(test.stdout(), `${expected}\n`);
    }
  });

  it("gets variables of the job with any name", async () => {
    await using test = await testRunner({ GIT_DIR: "/of/a/hook" });
    await test.runner.runJob({
      command: ["env"],
      env: {
        GIT_DIR: ".git",
        "with.dot": "dot",
        "with-dash": "dash",
        PIN: "1234",
      },
      secrets: { envNames: ["PIN"] },
    });
    const lines = test.stdout().split("\n");
    for (const line of ["GIT_DIR=.git", "with.dot=dot", "with-dash=dash"]) {
      assert(lines.includes(line), line);
    }
  });
});

describe("a program that fetches the source", () => {
  /** Variables that none of these programs needs. */
  const KEYS = Object.fromEntries(
    [...SECRET_VARIABLES, Variable.secretsSocket, Variable.secretValuesList]
      .map((name) => [name, `value-of-${name}`]),
  );

  const GIT_HOOK_VARIABLES = {
    GIT_DIR: "/other",
    GIT_INDEX_FILE: "/other/index",
  };

  it("gets neither keys of the job nor the repository of a git hook", async () => {
    await using tools = await temporaryDirectory();
    const script = `#!/bin/sh
echo "called: \${0##*/}" >> ${tools.path}/log
/usr/bin/env >> ${tools.path}/log
exit 1
`;
    for (const name of ["git", "hg", "svn", "gzip"]) {
      await Deno.writeTextFile(`${tools.path}/${name}`, script, {
        mode: 0o755,
      });
    }
    const archive = `${tools.path}/source.tar.gz`;
    await Deno.writeFile(archive, Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0));
    for (
      const [type, url] of [
        ["git", "https://example.invalid/r.git"],
        ["hg", "https://example.invalid/r"],
        ["svn", "https://example.invalid/r"],
        ["tarball", archive],
      ] as const
    ) {
      await using test = await testRunner({
        ...KEYS,
        ...GIT_HOOK_VARIABLES,
        CREDENTIAL_OF_A_HELPER: "kept",
        PATH: `${tools.path}:/usr/bin:/bin`,
      });
      await assertRejects(() =>
        test.runner.runJob({
          command: "true",
          source: { type, url },
        })
      );
    }
    const log = await Deno.readTextFile(`${tools.path}/log`);
    for (const name of ["git", "hg", "svn", "gzip"]) {
      assertStringIncludes(log, `called: ${name}\n`);
    }
    assertStringIncludes(log, "CREDENTIAL_OF_A_HELPER=kept\n");
    for (const text of [...Object.values(KEYS), "=/other"]) {
      assertEquals(log.includes(text), false, text);
    }
  });

  it("can be code that uses the library", async () => {
    await using test = await testRunner({ ...KEYS, HELPER: "kept" });
    let seen: Readonly<Record<string, string>> = {};
    test.runner.registerSource("own", async ({ env, target }) => {
      seen = env;
      await Deno.writeTextFile(`${target}/file`, "");
    });
    await test.runner.runJob({ command: "true", source: { type: "own" } });
    assertEquals(seen.HELPER, "kept");
    assertEquals(Object.keys(KEYS).filter((name) => name in seen), []);
  });
});

describe("a job in a git hook", () => {
  it("uses its own source", async () => {
    await using directory = await temporaryDirectory();
    const outer = await makeRepository(`${directory.path}/outer`);
    await outer.commit({ file: "outer" });
    const inner = await makeRepository(`${directory.path}/inner`);
    const commit = await inner.commit({ file: "inner" });
    const hook = `${directory.path}/outer/.git/hooks/pre-commit`;
    const seen = `${directory.path}/seen`;
    await Deno.writeTextFile(hook, `#!/bin/sh\n/usr/bin/env -0 > ${seen}\n`, {
      mode: 0o755,
    });
    await outer.commit({ file: "changed" });
    const variables = (await Deno.readTextFile(seen)).split("\0").slice(0, -1);
    const env = Object.fromEntries(
      variables.map((variable) => [
        variable.slice(0, variable.indexOf("=")),
        variable.slice(variable.indexOf("=") + 1),
      ]),
    );
    assert("GIT_INDEX_FILE" in env, "git tells a hook of its index");
    await using test = await testRunner({
      ...env,
      // As in a hook of a linked working tree.
      GIT_DIR: `${directory.path}/outer/.git`,
      GIT_WORK_TREE: `${directory.path}/outer`,
    });
    const { status } = await test.runner.runJob({
      command: "git rev-parse HEAD; git status --porcelain; git add --all",
      source: { type: "git", url: `${directory.path}/inner` },
    });
    assertEquals([status, test.stdout()], ["success", `${commit}\n`]);
    assertEquals(await outer.git("status", "--porcelain"), "");
  });
});

describe("the runner", () => {
  it("masks every variable that is secret by its name, from the start", async () => {
    const env = Object.fromEntries(
      SECRET_VARIABLES.map((name) => [name, `value-of-${name}`]),
    );
    await using test = await testRunner(env);
    await test.runner.runJob({
      command: Object.values(env).map((value) => `echo ${value}`).join("; "),
      secrets: { envNames: [], values: [] },
    });
    assertEquals(
      test.stdout(),
      "[REDACTED]\n".repeat(SECRET_VARIABLES.length),
    );
    assertEquals(test.stderr().includes("value-of"), false);
  });
});
