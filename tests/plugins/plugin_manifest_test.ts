import { assert, assertEquals, assertThrows } from "@std/assert";
import { joinList } from "../../src/command_text.ts";
import {
  grantLines,
  listText,
  type PluginGrants,
  readGrantValues,
} from "../../src/config/text_values.ts";
import { RunnerError } from "../../src/errors.ts";
import { readGrants } from "../../src/plugins/permissions/grants.ts";
import {
  checkManifest,
  parsePermission,
} from "../../src/plugins/permissions/plugin_manifest.ts";
import {
  covers,
  type PermissionKind,
} from "../../src/plugins/permissions/plugin_permissions.ts";
import { permissionFlags } from "../../src/plugins/sandbox/deno_command.ts";
import { Random } from "../helpers/random.ts";
import { BARE_ENV } from "../helpers/running.ts";

Deno.test("parsePermission() brings values into their canonical form", () => {
  const cases: [PermissionKind, string, string][] = [
    ["net", "*", "*"],
    ["net", "A.Example.com.", "a.example.com"],
    ["net", "*.a.com:0443", "*.a.com:443"],
    ["net", "[0:0::1]:5", "[::1]:5"],
    ["net", "10.0.0.0/8", "10.0.0.0/8"],
    ["net", "unix:/run/x", "unix:/run/x"],
    ["net", "vsock:1:2", "vsock:1:2"],
    ["import", "jsr.io:443", "jsr.io:443"],
    ["import", "npm", "npm"],
    ["env", "SLACK_*", "SLACK_*"],
    ["env", "npm.config-x", "npm.config-x"],
    ["run", "/opt/my tool", "/opt/my tool"],
    ["sys", "osRelease", "osRelease"],
    ["config", "job_command", "job_command"],
    ["steps", "lint, and format", "lint, and format"],
    ["read", "$JOB_DIR/a b", "$JOB_DIR/a b"],
  ];
  for (const [kind, value, expected] of cases) {
    assertEquals(parsePermission(kind, value), expected, `${kind} ${value}`);
  }
});

const HOSTILE: readonly [PermissionKind, readonly string[]][] = [
  ["net", [
    ...["127.0.0.1:1,x.example.com", ",x.example.com", "a.com,", "a,,b", ""],
    ...["a b", "a.com\n", "a.com\0", "::1", ":5", "a.com:", "a.com:65536"],
    ...["0x7f.1", "2130706433", "0177.0.0.1", "*.0.0.1", "**.com", "a*.com"],
    ...["user@a.com", "a.com/x", "a.com/8", "10.0.0.0/33", "a%2cb.com"],
    ...["unix:/a,b", "vsock:1,2", "http://a.com", "é.com", "a..b"],
  ]],
  ["import", ["a.com,b.com", "unix:/x", "10.0.0.0/8", "jsr:@a/b", "npm,a.com"]],
  ["env", ["A,B", "A=B", "A B", "*A", "A*B", "A**", "", "A\n"]],
  ["run", ["git,sh", "", " ", "git\0"]],
  ["sys", ["hostname,uid", "", "a b"]],
  ["read", ["/a,/etc", "", "/a\0"]],
  ["write", ["$JOB_DIR,/etc", ","]],
  ["config", ["timeout,plugins", "A", "=", "*a"]],
  ["steps", ["a\nb", "\u001b[2J", ""]],
];

Deno.test("parsePermission() rejects anything but a single value of its kind", () => {
  for (const [kind, values] of HOSTILE) {
    for (const value of values) {
      const name = `${kind} ${JSON.stringify(value)}`;
      assertThrows(
        () => parsePermission(kind, value),
        TypeError,
        undefined,
        name,
      );
      const permissions = { [kind]: [value] };
      assertThrows(() => checkManifest({ permissions }), TypeError);
      const isEmpty = value.trim() === "";
      const lines = grantLines({ x: { [kind]: [isEmpty ? "" : value] } });
      const error = assertThrows(() => readGrants(lines), RunnerError);
      assertEquals(error.code, "invalid-config", name);
    }
  }
});

Deno.test("no pattern of hosts covers a socket or a range of addresses", () => {
  for (const inner of ["unix:/x.example.com", "vsock:1:2", "10.0.0.0/8"]) {
    for (const outer of ["*.example.com", "*.com:2", "10.0.0.0"]) {
      assert(!covers("net", outer, inner), `${outer} ${inner}`);
    }
    assert(covers("net", inner, inner));
  }
});

Deno.test("listText() is read back exactly", () => {
  const random = new Random();
  for (let round = 0; round < 2_000; round++) {
    const values = Array.from(
      { length: random.below(4) },
      () => random.text(random.below(5), 'a,\n"[] =:\\é'),
    );
    const text = listText(values);
    assertEquals(readGrantValues(text), values, `seed ${random.seed}`);
    assert(!text.includes("\n"));
  }
});

Deno.test("grantLines() rejects names that would shift a line", () => {
  const hostile: PluginGrants[] = [
    { "x:run=*": { net: ["a.com"] } },
    { "x y": { net: ["a.com"] } },
    { x: { "run=*\nx:net": ["a.com"] } },
  ];
  for (const grants of hostile) {
    const error = assertThrows(() => grantLines(grants), RunnerError);
    assertEquals(error.code, "invalid-config");
  }
});

Deno.test("joinList() never joins what the receiver would split or drop", () => {
  assertEquals(joinList(["a", "b:c"], ",", "x"), "a,b:c");
  for (const value of ["", "a,b", ",", "a\0"]) {
    assertThrows(() => joinList(["a", value], ",", "x"), TypeError);
  }
});

Deno.test("Deno permits exactly what permissionFlags() was given", async () => {
  const permissions = {
    read: ["/a b", "/c=d", '/e"f', "/g\nh"],
    net: ["*.example.com:443", "[::1]:5", "10.0.0.0/8"],
    env: ["PRE_*", "odd.name-x"],
    sys: ["hostname"],
  };
  const queries: [Deno.PermissionDescriptor, boolean][] = [
    ...permissions.read.map((path) =>
      [{ name: "read", path }, true] as [Deno.PermissionDescriptor, boolean]
    ),
    [{ name: "read", path: "/" }, false],
    [{ name: "read", path: "/h" }, false],
    [{ name: "net", host: "a.example.com:443" }, true],
    [{ name: "net", host: "a.example.com:80" }, false],
    [{ name: "net", host: "[::1]:5" }, true],
    [{ name: "net", host: "10.1.2.3:1" }, true],
    [{ name: "net", host: "11.1.2.3:1" }, false],
    [{ name: "env", variable: "PRE_X" }, true],
    [{ name: "env", variable: "odd.name-x" }, true],
    [{ name: "env", variable: "PATH" }, false],
    [{ name: "sys", kind: "hostname" }, true],
    [{ name: "sys", kind: "osRelease" }, false],
  ];
  const code = `const states = [];
    for (const query of JSON.parse(Deno.args[0])) {
      states.push((await Deno.permissions.query(query)).state === "granted");
    }
    console.log(JSON.stringify(states));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-config", "--no-prompt", "--no-lock"],
      ...permissionFlags(permissions),
      `data:text/javascript,${encodeURIComponent(code)}`,
      JSON.stringify(queries.map(([query]) => query)),
    ],
    env: BARE_ENV,
  }).output();
  const states = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(states, queries.map(([, expected]) => expected));
});
