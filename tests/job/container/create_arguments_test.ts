import { assertEquals } from "@std/assert";
import {
  type ContainerPlan,
  createArguments,
} from "../../../src/job/container/create_arguments.ts";

const PLAN: ContainerPlan = {
  name: "runnerlib-1",
  image: "image:1",
  command: "echo hi",
  user: { uid: 1001, gid: 1001 },
  keepsIds: false,
  workspace: "/work/job",
  directory: "/job/src",
  envFile: "/tmp/container-1/env",
  names: [],
  socketDirectory: undefined,
  secretsFile: undefined,
};

Deno.test("createArguments() gives a container no rights and one mount", () => {
  assertEquals(createArguments(PLAN), [
    ...["create", "--rm", "--init", "--name=runnerlib-1"],
    ...["--label=io.reactorcide.runnerlib=job", "--cap-drop=ALL"],
    ...["--security-opt=no-new-privileges", "--user=1001:1001"],
    ...[
      "--log-driver=none",
      "--stop-timeout=0",
      "--entrypoint=",
      "--workdir=/job/src",
    ],
    "--env-file=/tmp/container-1/env",
    "--mount=type=bind,source=/work/job,target=/job",
    ...["image:1", "/bin/sh", "-c", "echo hi"],
  ]);
});

Deno.test("createArguments() mounts sockets and files of secrets read-only", () => {
  const args = createArguments({
    ...PLAN,
    keepsIds: true,
    names: ["LINES"],
    socketDirectory: "/tmp/secrets-1",
    secretsFile: "/tmp/container-1/secrets",
  });
  for (
    const expected of [
      "--userns=keep-id",
      "--env=LINES",
      "--mount=type=bind,source=/tmp/secrets-1,target=/run/reactorcide/secrets,readonly",
      "--mount=type=bind,source=/tmp/container-1/secrets,target=/run/secrets/env,readonly",
    ]
  ) assertEquals(args.filter((it) => it === expected).length, 1, expected);
});

Deno.test("createArguments() puts what a command and a path hold where nothing reads it", () => {
  const args = createArguments({
    ...PLAN,
    command: ["--privileged", "-v", "/:/host"],
    workspace: '/a,readonly,source=/etc "b"',
  });
  assertEquals(args.slice(args.indexOf("image:1")), [
    ...["image:1", "--privileged", "-v", "/:/host"],
  ]);
  assertEquals(
    args.filter((it) => it.startsWith("--mount")),
    [`--mount=type=bind,"source=/a,readonly,source=/etc ""b""",target=/job`],
  );
});
