import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { privateDirectory } from "../../src/fs/temporary_directory.ts";
import {
  findContainment,
  findNamespace,
} from "../../src/process/containment.ts";
import { Job } from "../../src/steps/job.ts";
import { soon } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** Holds an inherited lock in processes that try to survive. */
const SURVIVE = `exec 9> lock; flock 9
  (setsid env -i /bin/sleep 1000 > /dev/null 2>&1 &)
  setsid env -i /bin/sh -c '/usr/bin/setsid /bin/sleep 1000 & exit' > /dev/null 2>&1
  sleep 0.1`;

Deno.test("no process of an untrusted step is left when the next step starts", async () => {
  await using test = await testRunner();
  const result = await test.runner.runJob(
    new Job("x")
      .addStep("evil", SURVIVE, { untrusted: true, continueOnError: true })
      .addStep("beside", "sleep 0.5; echo done")
      .addStep("next", "flock -n lock echo free", { dependsOn: ["evil"] }),
  );
  assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
  assertStringIncludes(test.stdout(), "free\n");
  assertStringIncludes(test.stdout(), "done\n");
  // If it is not guaranteed, the log contains a warning.
  const { problem } = await findContainment(false);
  const isWarned = test.stderr().includes("no process of an untrusted step");
  assertEquals(isWarned, problem !== undefined, test.stderr());
});

Deno.test("a step that replaces its output file with a pipe fails, and blocks nothing", async () => {
  await using test = await testRunner();
  const swap = (kind: string) => `rm -f "$REACTORCIDE_OUTPUT"; ${kind}`;
  const result = await soon(
    test.runner.runJob(
      new Job("x")
        .addStep("pipe", swap('mkfifo "$REACTORCIDE_OUTPUT"'), {
          untrusted: true,
          continueOnError: true,
        })
        .addStep("link", swap('ln -s /dev/zero "$REACTORCIDE_OUTPUT"'), {
          continueOnError: true,
        })
        .addStep("after", "echo after", {
          dependsOn: ["pipe", "link"],
          condition: "always",
        }),
    ),
    "the end of the job",
  );
  assertEquals(
    result.steps.map(({ name, outcome }) => `${name} ${outcome}`),
    ["pipe failed", "link failed", "after success"],
  );
  const [pipe, link] = result.steps.map(({ reason = "" }) => reason);
  assertStringIncludes(pipe, "it is not a regular file");
  assertStringIncludes(link, "it is a symbolic link");
});

Deno.test("no step sets the outputs of a later one", async () => {
  await using test = await testRunner();
  const result = await test.runner.runJob(
    new Job("x")
      .addStep(
        "evil",
        `around="$(dirname "$(dirname "$REACTORCIDE_OUTPUT")")"
        for directory in "$around" "$around"/*; do
          for name in 0 1 2 0-1 1-1 1-2 output good; do
            echo "version=evil" > "$directory/$name"
          done
        done`,
        { untrusted: true, continueOnError: true },
      )
      .addStep("good", "true", { dependsOn: ["evil"] })
      .addStep("use", 'echo "got <$REACTORCIDE_OUTPUT_GOOD_VERSION>"', {
        dependsOn: ["good"],
      }),
  );
  assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
  assertStringIncludes(test.stdout(), "got <>\n");
});

Deno.test("untrusted steps cannot find or change files of concurrent trusted steps", async () => {
  const hasMounts = (await findNamespace())?.hasMounts ?? false;
  await using temporary = await temporaryDirectory();
  await using test = await testRunner({ TMPDIR: temporary.path });
  await makeFiles(test.path, { "trusted/deploy.sh": "echo deployed" });
  using other = privateDirectory([temporary.path]);
  await Deno.writeTextFile(`${other.path}/of-a-plugin`, "");
  // Longer than an argument, so that the script is read from a file.
  const long = "echo filler > /dev/null\n".repeat(6_000);
  const result = await test.runner.runJob(
    new Job("mixed")
      .addStep(
        "trusted",
        `mkfifo gate && touch started && cat gate > /dev/null
        sh "$REACTORCIDE_CI_SOURCE_DIR/deploy.sh"
        ${long}
        echo "version=good" >> "$REACTORCIDE_OUTPUT"`,
      )
      .addStep(
        "untrusted",
        `set +e
        until test -e started; do sleep 0.01; done
        find "$TMPDIR" -type f | sed 's/^/found /'
        find "$TMPDIR" -type s | sed 's/^/found /'
        for file in $(find "$TMPDIR" ci -type f); do
          chmod -R u+w "$(dirname "$file")"; echo 'echo evil' > "$file"
        done
        echo > gate`,
        { untrusted: true, env: { TMPDIR: temporary.path } },
      ),
    {
      cwd: "/job",
      ciSource: { type: "copy", url: "trusted" },
      limits: { concurrency: 2 },
    },
  );
  const warning = "Cannot hide the copy of the CI source";
  assertEquals(test.stderr().includes(warning), !hasMounts);
  // Without mounts, steps share a user, which is documented.
  if (!hasMounts) return;
  assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
  assertStringIncludes(test.stdout(), "| deployed\n");
  assert(!/evil|found/.test(test.stdout()), test.stdout());
});
