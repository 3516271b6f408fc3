import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Job } from "../../src/steps/job.ts";
import { passableCommand } from "../../src/steps/script_file.ts";
import { outputOf } from "../helpers/running.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** Lines that are too long for an argument together. */
const FILLING = `: ${"filling ".repeat(10)}\n`.repeat(2_000);

const SHELLS = {
  "the default one": undefined,
  "sh": ["sh"],
  "sh -c": ["sh", "-c"],
  "sh -euc": ["sh", "-euc"],
  "sh -e -u -c": ["sh", "-e", "-u", "-c"],
};

for (const [name, shell] of Object.entries(SHELLS)) {
  Deno.test(`passableCommand() runs a long script as a short one: ${name}`, async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const temporaryPlace = {
      env: { TMPDIR: path },
      workspace: { base: path },
    };
    const script = (filling: string) =>
      `${filling}echo "$- $#"; echo warning >&2; (exit 3) || echo "got $?"`;
    const outputs: string[] = [];
    for (const filling of ["", FILLING]) {
      using passable = await passableCommand(script(filling), {
        shell,
        temporaryPlace,
      });
      const isFile = filling !== "";
      assertEquals(
        (await Array.fromAsync(Deno.readDir(path))).length,
        isFile ? 1 : 0,
      );
      outputs.push(await outputOf(passable.command));
    }
    // A shell tells by "c" and "s" where it got its text.
    const [short, long] = outputs.map((text) => text.replace(/^[cs]+/, ""));
    assertEquals(long, short);
    assertStringIncludes(long, "warning\ngot 3\n");
    assertEquals(await Array.fromAsync(Deno.readDir(path)), []);
  });
}

Deno.test("passableCommand() keeps the file to its owner", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  using passable = await passableCommand(FILLING, {
    shell: ["cat"],
    temporaryPlace: { env: { TMPDIR: path }, workspace: { base: path } },
  });
  const file = passable.command[1];
  assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
  const parent = file.slice(0, file.lastIndexOf("/"));
  assertEquals((await Deno.stat(parent)).mode! & 0o777, 0o700);
  assertEquals(await outputOf(passable.command), FILLING);
});

Deno.test("a job runs long scripts, and reports other values that are too large", async () => {
  await using test = await testRunner();
  const { runner } = test;
  const command = await runner.runJob({ command: `${FILLING}echo whole` });
  assertEquals([command.exitCode, test.stdout()], [0, "whole\n"]);
  const steps = await runner.runJob(
    new Job("x")
      .addStep("long", `${FILLING}echo step; exit 4`, { continueOnError: true })
      .addStep("large", "true", { env: { LARGE: "x".repeat(140_000) } }),
  );
  assertEquals(steps.steps.map(({ exitCode }) => exitCode), [4, 126]);
  assert(
    test.stderr().includes('its variable "LARGE" has 140006 bytes'),
    test.stderr(),
  );
});

Deno.test("a step runs though the outputs before it fit into no environment", async () => {
  await using test = await testRunner();
  const write = (count: number) =>
    `for i in $(seq ${count}); do printf "k$i="; head -c 100000 /dev/zero | tr '\\0' x; echo; done > "$REACTORCIDE_OUTPUT"`;
  const result = await test.runner.runJob(
    new Job("x")
      .addStep("one", write(9))
      .addStep("two", `${write(9)}; echo small=1 >> "$REACTORCIDE_OUTPUT"`)
      .addStep(
        "use",
        "env | grep -c ^REACTORCIDE_OUTPUT_; env | grep SMALL",
        { dependsOn: ["one", "two"] },
      ),
  );
  assertEquals(result.exitCode, 0, test.stderr());
  assertStringIncludes(test.stdout(), "REACTORCIDE_OUTPUT_TWO_SMALL=1");
  assertStringIncludes(
    test.stderr(),
    'Step "use" gets no variables for 9 outputs',
  );
});
