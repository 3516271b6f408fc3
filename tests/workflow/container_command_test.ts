import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import {
  containerCommand,
  type JobContainer,
  resourceFlags,
} from "../../src/workflow/local/container_command.ts";
import type { LocalJob } from "../../src/workflow/local/local_job.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const JOB: LocalJob = {
  name: "build",
  command: "make",
  env: { CC: "gcc" },
  dependsOn: [],
  condition: "all_success",
  image: "alpine:3",
};

const SETTING: JobContainer = {
  program: "docker",
  name: "reactorcide-1",
  workspace: "/work/job",
  sharedCode: undefined,
  variables: ["CC"],
  hostUser: "1000:1000",
};

Deno.test("containerCommand() mounts paths that engines would split", () => {
  const args = containerCommand({ ...JOB, codeDir: "/job/a:b,c" }, {
    ...SETTING,
    workspace: '/work/a:/etc:ro/"b",c',
    sharedCode: "/work/src:/x",
  });
  assertEquals(args.filter((arg) => /^--(?:mount|volume)/.test(arg)), [
    `--mount=type=bind,"source=/work/a:/etc:ro/""b"",c",target=/job`,
    `--mount=type=bind,source=/work/src:/x,"target=/job/a:b,c"`,
  ]);
});

Deno.test("containerCommand() rejects an image that an engine would parse as an option", () => {
  for (
    const image of [
      ...["--volume=/:/host", "-v/:/host", "--privileged", "", " ", "a b"],
      ...["alpine\n--privileged", "alpine,b", "-"],
    ]
  ) {
    const error = assertThrows(
      () => containerCommand({ ...JOB, image }, SETTING),
      RunnerError,
    );
    assertEquals(error.code, "invalid-job");
    assertMatch(error.message, /^Cannot run job "build" in a container of "/);
  }
});

Deno.test("containerCommand() passes only names that an engine reads as one variable", () => {
  for (const name of ["*", "AWS_*", "A B", "A\nB", "", "#A", "A\0"]) {
    const error = assertThrows(
      () => containerCommand({ ...JOB, env: { [name]: "x" } }, SETTING),
      RunnerError,
    );
    assertEquals(error.code, "invalid-job");
  }
  const args = containerCommand(JOB, {
    ...SETTING,
    variables: ["CC", "LC_*", "A B", "a.b-c"],
  });
  assertEquals(args.filter((arg) => /^--env=[^=]*$/.test(arg)), [
    "--env=CC",
    "--env=a.b-c",
  ]);
});

Deno.test("containerCommand() does not change the owner of files that links in the workspace lead to", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  // Without -h, the chown of some systems changes the targets of links.
  await makeFiles(path, {
    "bin/id": "#!/bin/sh\necho 0\n",
    "bin/chown": '#!/bin/sh\nprintf "%s " "$@" > "$OUT"\n',
    "bin/docker": "#!/bin/sh\n",
  });
  for (const name of ["id", "chown", "docker"]) {
    await Deno.chmod(`${path}/bin/${name}`, 0o755);
  }
  const [program, ...args] = containerCommand(JOB, SETTING);
  const { success } = await new Deno.Command(program, {
    args,
    env: { PATH: `${path}/bin:/usr/bin:/bin`, OUT: `${path}/arguments` },
    clearEnv: true,
  }).output();
  assertEquals(success, true);
  assertEquals(
    await Deno.readTextFile(`${path}/arguments`),
    "-R -P -h 1000:1000 -- /work/job ",
  );
});

Deno.test("resourceFlags() writes limits as engines read them", () => {
  const flagsFor = (memory: string, cpu: string) =>
    resourceFlags({
      resources: { memory: { limit: memory }, cpu: { limit: cpu } },
    });
  assertEquals(flagsFor("1.5Gi", "500m"), [
    "--cpus=0.5",
    "--memory=1610612736",
  ]);
  assertEquals(flagsFor("64MB", "2"), ["--cpus=2", "--memory=64000000"]);
  assertEquals(
    flagsFor(`${"9".repeat(40)}P`, "1"),
    ["--cpus=1", `--memory=${Number.MAX_SAFE_INTEGER}`],
  );
});
