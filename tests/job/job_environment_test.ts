import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { traceContext } from "../../src/job/job_environment.ts";
import { testRunner } from "../helpers/test_runner.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";

describe("traceContext()", () => {
  it("passes a valid parent on as it is, with the state of its vendors", () => {
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
      assertEquals(traceContext({ TRACEPARENT: parent, TRACESTATE }), {
        traceId: TRACE_ID,
        variables: { TRACEPARENT: parent, TRACESTATE },
      });
      assertEquals(traceContext({ TRACEPARENT: parent, TRACESTATE: "" }), {
        traceId: TRACE_ID,
        variables: { TRACEPARENT: parent },
      });
    }
  });

  it("begins a trace in the place of an invalid parent, and drops its state", () => {
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
  it("continues the trace that the runner was given", async () => {
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

  it("begins a trace of its own, and hears nothing of an invalid one", async () => {
    await using test = await testRunner({
      TRACEPARENT: "x",
      TRACESTATE: "a=b",
    });
    const { traceId } = await test.runner.runJob({
      command: 'echo "$TRACEPARENT ${TRACESTATE-unset}"',
    });
    assertMatch(test.stdout(), new RegExp(`^00-${traceId}-.{16}-01 unset\n$`));
  });

  it("inherits what it is allowed to", async () => {
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

  it("gets variables that its job sets, whatever their names", async () => {
    await using test = await testRunner({ GIT_DIR: "/of/a/hook" });
    await test.runner.runJob({
      command: ["env"],
      env: { GIT_DIR: ".git", "with.dot": "dot", "with-dash": "dash" },
      secretEnvNames: ["NONE"],
    });
    const lines = test.stdout().split("\n");
    for (const line of ["GIT_DIR=.git", "with.dot=dot", "with-dash=dash"]) {
      assert(lines.includes(line), line);
    }
  });
});
