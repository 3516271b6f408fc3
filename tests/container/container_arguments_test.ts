import { assertEquals, assertThrows } from "@std/assert";
import {
  containerArguments,
  type ContainerSpec,
  imageProblem,
  parseUser,
  passVariables,
} from "../../src/container/container_arguments.ts";
import { RunnerError } from "../../src/errors.ts";

const SPEC: ContainerSpec = {
  name: "runnerlib-1",
  image: "image:1",
  command: "echo hi",
  user: "1001:1001",
  directory: "/job/src",
  mounts: [{ source: "/work/job", target: "/job" }],
  options: ["--init"],
};

Deno.test("containerArguments() gives a container no capabilities and one mount", () => {
  assertEquals(containerArguments("create", SPEC), [
    ...["create", "--rm", "--name=runnerlib-1", "--user=1001:1001"],
    ...["--cap-drop=ALL", "--security-opt=no-new-privileges"],
    ...["--entrypoint=", "--workdir=/job/src"],
    ...["--mount=type=bind,source=/work/job,target=/job", "--init"],
    ...["image:1", "/bin/sh", "-c", "echo hi"],
  ]);
});

Deno.test("containerArguments() mounts read-only if requested", () => {
  const args = containerArguments("run", {
    ...SPEC,
    mounts: [{ source: "/tmp/s", target: "/run/s", readOnly: true }],
  });
  assertEquals(args.filter((arg) => arg.startsWith("--mount")), [
    "--mount=type=bind,source=/tmp/s,target=/run/s,readonly",
  ]);
});

Deno.test("containerArguments() passes commands and paths unchanged", () => {
  const args = containerArguments("create", {
    ...SPEC,
    command: ["--privileged", "-v", "/:/host"],
    mounts: [{ source: '/a,readonly,source=/etc "b"', target: "/job" }],
  });
  assertEquals(args.slice(args.indexOf("image:1")), [
    ...["image:1", "--privileged", "-v", "/:/host"],
  ]);
  assertEquals(args.filter((arg) => arg.startsWith("--mount")), [
    `--mount=type=bind,"source=/a,readonly,source=/etc ""b""",target=/job`,
  ]);
});

Deno.test("imageProblem() accepts the names of images", () => {
  const names = [
    ...["alpine", "alpine:3", "alpine:3.20", "library/alpine", "a/b/c:d"],
    ...["localhost:5000/runner", "localhost:5000/runner:1.2.3-rc_1"],
    "quay.io/catalystcommunity/reactorcide_runner",
    `alpine@sha256:${"0a".repeat(32)}`,
    `host:1/alpine:3@sha256:${"0a".repeat(32)}`,
    `sha256:${"0a".repeat(32)}`,
  ];
  for (const name of names) assertEquals(imageProblem(name), undefined, name);
});

Deno.test("imageProblem() rejects everything that an engine could misinterpret", () => {
  const names = [
    ...["", " ", "-", "--privileged", "-v/:/host", "--volume=/:/host"],
    ...["alpine --privileged", "alpine\n--privileged", "alpine\0", "a;b"],
    ...["$(id)", "`id`", "a b", "/alpine", "alpine/", "a//b", "alpine:"],
    ...["alpine:-x", "alpine@", "alpine@sha256:xyz", "http://a/b", "ä"],
    "a".repeat(2_000),
  ];
  for (const name of names) {
    assertEquals(imageProblem(name), "not an image reference", name);
  }
});

Deno.test("imageProblem() does not backtrack on long names", () => {
  for (const text of ["a/", "a.", "a:1/", "a-", "@a"]) {
    const name = text.repeat(500) + "!";
    assertEquals(imageProblem(name), "not an image reference", text);
  }
});

Deno.test("parseUser() accepts names of users, and ids that engines accept", () => {
  assertEquals(parseUser("runner"), { uid: 1001, gid: 1001 });
  assertEquals(parseUser("root"), { uid: 0, gid: 0 });
  assertEquals(parseUser("7"), { uid: 7, gid: 7 });
  assertEquals(parseUser("7:2147483647"), { uid: 7, gid: 2147483647 });
  for (
    const user of ["", "host", "bob", "7:", ":7", "-1", "2147483648", "7 "]
  ) {
    assertEquals(parseUser(user), undefined, user);
  }
});

Deno.test("passVariables() writes a line for each variable, without quotes", () => {
  assertEquals(
    passVariables({ A: "1", "B-C": ` "x" #=$y`, EMPTY: "" }, docker({})),
    { file: `A=1\nB-C= "x" #=$y\nEMPTY=\n`, direct: {} },
  );
});

Deno.test("passVariables() keeps values out of the file that engines would change", () => {
  const long = "x".repeat(70_000);
  const direct = { LF: "a\nPATH=/evil", CR: "a\r", LONG: long };
  assertEquals(passVariables({ A: "1", ...direct }, docker({})), {
    file: "A=1\n",
    direct,
  });
});

Deno.test("passVariables() keeps values out of the file that Podman would change", () => {
  const plain = { A: "1", B: ` a"b'c=*|x `, C: "=x", D: "*", "E.F-G": "1" };
  const direct = {
    EMPTY: "",
    HASH: "pass#word",
    COMMENT: "a #b",
    QUOTE: `"a`,
    SINGLE: ` 'a' `,
    TICK: "`a",
    "A%B": "1",
    "A|B": "1",
  };
  const env = { PATH: "/bin" };
  const variables = { ...plain, ...direct };
  assertEquals(passVariables(variables, { env, isPodman: true }), {
    file: Object.entries(plain).map((entry) => `${entry.join("=")}\n`).join(""),
    direct,
  });
  assertEquals(passVariables(variables, docker(env)).direct, {});
  assertThrows(
    () => passVariables({ PATH: "" }, { env, isPodman: true }),
    RunnerError,
    "the engine itself uses a variable of this name",
  );
});

Deno.test("passVariables() never changes the environment of the engine", () => {
  const env = { PATH: "/bin", SAME: "a\nb" };
  assertEquals(passVariables({ SAME: "a\nb", PATH: "/x" }, docker(env)), {
    file: "PATH=/x\n",
    direct: { SAME: "a\nb" },
  });
  const error = assertThrows(
    () => passVariables({ PATH: "/evil\n" }, docker(env)),
    RunnerError,
  );
  assertEquals(
    error.message,
    `Cannot pass variable "PATH" to a container: the engine itself uses a variable of this name`,
  );
});

Deno.test("passVariables() rejects names that have a meaning in the file", () => {
  for (const name of ["#A", "A B", " A", "A\nB", "A*", "*", "A=B", ""]) {
    assertThrows(
      () => passVariables({ [name]: "1" }, docker({})),
      RunnerError,
      "container engines do not accept this name",
    );
  }
});

function docker(env: Record<string, string>) {
  return { env, isPodman: false };
}
