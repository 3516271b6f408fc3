import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Job, type StepOptions } from "@reactorcide/runnerlib";
import { Random } from "../helpers/random.ts";
import { testRunner } from "../helpers/test_runner.ts";

interface Output {
  step: string;
  key: string;
  value: string;
  untrusted?: boolean;
}

/** Runs steps with an output each, and a step that depends on all of them. */
async function seenOutputs(outputs: Output[], more: string[] = []) {
  await using test = await testRunner();
  const job = new Job("outputs");
  const add = job.addStep as (
    name: string,
    run: string,
    options?: StepOptions,
  ) => void;
  for (const { step, key, value, untrusted } of outputs) {
    const line = `echo "${key}=${value}" >> "$REACTORCIDE_OUTPUT"`;
    add.call(job, step, line, { untrusted });
  }
  for (const name of more) add.call(job, name, "true");
  add.call(job, "reader", "env | grep ^REACTORCIDE_OUTPUT_ || true", {
    dependsOn: outputs.map(({ step }) => step),
  });
  const { status } = await test.runner.runJob(job);
  assertEquals(status, "success");
  const lines = test.stdout().match(/REACTORCIDE_OUTPUT_\w+=\w*/g) ?? [];
  return {
    variables: Object.fromEntries(lines.map((line) => line.split("="))),
    stderr: test.stderr(),
  };
}

describe("outputs that share a variable", () => {
  it("are rejected before anything runs if the names of the steps conflict", async () => {
    for (
      const [first, second] of [["a_b", "a-b"], ["日本", "中国"], ["A", "a"]]
    ) {
      await using test = await testRunner();
      await assertRejects(
        () =>
          test.runner.runJob(
            new Job("same")
              .addStep(first, "touch ran")
              .addStep(second, "touch ran")
              .addStep("z", "true", { dependsOn: [first, second] }),
          ),
        Error,
        "rename one of them",
      );
      assertEquals(test.stdout(), "");
    }
  });

  it("are allowed if no step depends on both", async () => {
    await using test = await testRunner();
    const { status } = await test.runner.runJob(
      new Job("apart").addStep("a_b", "true").addStep("a-b", "true"),
    );
    assertEquals(status, "success");
  });

  it("belong to the step with the longer name", async () => {
    for (const reversed of [false, true]) {
      const outputs = [
        { step: "build", key: "x_tag", value: "short" },
        { step: "build_x", key: "tag", value: "long" },
      ];
      const { variables, stderr } = await seenOutputs(
        reversed ? outputs.toReversed() : outputs,
      );
      assertEquals(variables, { REACTORCIDE_OUTPUT_BUILD_X_TAG: "long" });
      assertMatch(stderr, /Output "x_tag" of step "build" is left out/);
    }
  });

  it("are never forged by an untrusted step", async () => {
    const forged = { step: "build", key: "x_tag", value: "FORGED" };
    const outputs = [
      { ...forged, untrusted: true },
      { step: "build_x", key: "tag", value: "real" },
    ];
    for (const list of [outputs, outputs.toReversed()]) {
      const { variables } = await seenOutputs(list);
      assertEquals(variables, { REACTORCIDE_OUTPUT_BUILD_X_TAG: "real" });
    }
  });

  it("are not forged if the other step has no outputs or is not a dependency", async () => {
    const { variables, stderr } = await seenOutputs([
      { step: "build", key: "x_tag", value: "FORGED", untrusted: true },
      { step: "build_x", key: "other", value: "real" },
    ]);
    assertEquals(variables, { REACTORCIDE_OUTPUT_BUILD_X_OTHER: "real" });
    assertMatch(stderr, /it could be mistaken for an output of step "build_x"/);
    const apart = await seenOutputs(
      [{ step: "build", key: "x-tag", value: "FORGED", untrusted: true }],
      ["build.x"],
    );
    assertEquals(apart.variables, {});
  });

  it("are set by an untrusted step if they belong to it", async () => {
    const { variables } = await seenOutputs([
      { step: "build", key: "tag", value: "own", untrusted: true },
      { step: "build_x", key: "tag", value: "real" },
    ]);
    assertEquals(variables, {
      REACTORCIDE_OUTPUT_BUILD_TAG: "own",
      REACTORCIDE_OUTPUT_BUILD_X_TAG: "real",
    });
  });

  it("give a trusted step precedence over an untrusted one with a longer name", async () => {
    const { variables } = await seenOutputs([
      { step: "build", key: "x_tag", value: "trusted" },
      { step: "build_x", key: "tag", value: "untrusted", untrusted: true },
    ]);
    assertEquals(variables, { REACTORCIDE_OUTPUT_BUILD_X_TAG: "trusted" });
  });
});

Deno.test("no value of an untrusted step is found under the name of a trusted one", async () => {
  const random = new Random();
  const names = ["a", "a_b", "a-b-c", "b", "b_c", "c", "ab"];
  for (let round = 0; round < 12; round++) {
    const steps = names.filter(() => random.below(2) === 0);
    const outputs = steps.map((step, at): Output => ({
      step,
      key: random.pick(["b", "b_c", "c", "b_c_c", "x"]),
      value: `v${at}`,
      untrusted: random.below(2) === 0,
    }));
    const { variables } = await seenOutputs(outputs);
    for (const [variable, value] of Object.entries(variables)) {
      const giver = outputs.find((output) => output.value === value)!;
      if (!giver.untrusted) continue;
      const readsAs = names
        .filter((name) => steps.includes(name))
        .filter((name) =>
          variable.startsWith(
            `REACTORCIDE_OUTPUT_${name.toUpperCase().replaceAll("-", "_")}_`,
          )
        )
        .sort((a, b) => b.length - a.length)[0];
      assertEquals(readsAs, giver.step, `seed ${random.seed}: ${variable}`);
    }
  }
});
