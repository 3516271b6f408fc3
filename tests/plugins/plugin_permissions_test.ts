import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { fetchPlugin, parseAddress } from "../../src/plugins/fetch_plugin.ts";
import {
  expandPaths,
  readGrants,
} from "../../src/plugins/permissions/grants.ts";
import { readManifest } from "../../src/plugins/permissions/plugin_manifest.ts";
import {
  covers,
  deniedAccess,
  grantOption,
  intersectPermissions,
  type PermissionKind,
} from "../../src/plugins/permissions/plugin_permissions.ts";
import { findDeno } from "../../src/plugins/sandbox/find_deno.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

Deno.test("covers() checks what a permission includes", () => {
  const cases: [PermissionKind, string, string, boolean][] = [
    ["read", "/job", "/job/src", true],
    ["read", "/job", "/jobs", false],
    ["read", "/job/src", "/job", false],
    ["read", "*", "/etc", true],
    ["read", "/", "*", false],
    ["net", "a.com", "a.com:443", true],
    ["net", "a.com:443", "a.com", false],
    ["net", "*.a.com", "b.a.com:443", true],
    ["net", "*.a.com", "a.com", false],
    ["net", "*.a.com", "ba.com", false],
    ["env", "SLACK_*", "SLACK_URL", true],
    ["env", "SLACK_*", "SLACK", false],
    ["env", "SLACK", "SLACK_URL", false],
    ["run", "git*", "gitk", false],
    ["config", "timeout", "timeout", true],
  ];
  for (const [kind, outer, inner, expected] of cases) {
    assertEquals(covers(kind, outer, inner), expected, `${outer} ${inner}`);
  }
});

Deno.test("intersectPermissions() returns the narrower of requested and granted values", () => {
  assertEquals(
    intersectPermissions(
      { read: ["/job", "/etc"], net: ["*"], env: ["A"], run: ["git"] },
      { read: ["/job/src"], net: ["a.com:443"], env: ["*"], write: ["/job"] },
    ),
    { read: ["/job/src"], net: ["a.com:443"], env: ["A"] },
  );
});

Deno.test("readManifest() reads a literal without running code", () => {
  const manifests: [string, unknown][] = [
    ["", {}],
    ["// export const manifest = 1", {}],
    ["export const manifest = {};", {}],
    [
      `import x from "y";\nexport const manifest: PluginManifest = {
        permissions: { // what it needs
          "read": ['$JOB_DIR', "a\\"b",], /* no */ net: [],
        },
      } as const;`,
      { read: ["$JOB_DIR", 'a"b'], net: [] },
    ],
  ];
  for (const [text, expected] of manifests) {
    assertEquals({ ...readManifest(text) }, expected as object, text);
  }
  const wrong: [string, RegExp][] = [
    ["export const manifest = make();", /not an object literal/],
    [
      "export const manifest = { permissions: all };",
      /not a literal/,
    ],
    [
      "export const manifest = { permissions: { read: [`x`] } };",
      /not a literal/,
    ],
    [
      "export const manifest = { permissions: { reed: [] } };",
      /did you mean "read"/,
    ],
    [
      "export const manifest = { permissions: { ffi: [] } };",
      /not a permission/,
    ],
    ["export const manifest = { permissions: { read: true } };", /not a list/],
    ["export const manifest = { permissions: { read: [1] } };", /not a list/],
    ["export const manifest = { name: 'x' };", /only permissions/],
    ["export const manifest = { permissions: {", /not a literal/],
  ];
  for (const [text, message] of wrong) {
    const error = assertThrows(() => readManifest(text), TypeError, "", text);
    assertMatch(error.message, message);
  }
});

Deno.test("readGrants() combines lines, and lets all plugins read the workspace", () => {
  const grantsOf = readGrants([
    "slack:net=a.com, b.com",
    "",
    "slack:net=c.com",
    "*:env=CI",
  ]);
  const read = ["$JOB_DIR", "$PLUGIN_DIR"];
  assertEquals(grantsOf("slack"), {
    read,
    net: ["a.com", "b.com", "c.com"],
    env: ["CI"],
  });
  assertEquals(grantsOf("other"), { read, env: ["CI"] });
  for (const line of ["slack", "slack:net", ":net=a", "slack:nett=a"]) {
    const error = assertThrows(() => readGrants([line]), RunnerError);
    assertEquals(error.code, "invalid-config");
  }
});

Deno.test("expandPaths() accepts only absolute paths and known directories", () => {
  const directories = { JOB_DIR: "/w/job" };
  assertEquals(
    expandPaths({ read: ["$JOB_DIR/../x", "/a/./b"], net: ["a"] }, directories),
    { read: ["/w/x", "/a/b"], write: [], net: ["a"] },
  );
  for (const path of ["job", "$HOME", "$JOB_DIRS", "/a,b", "~"]) {
    assertThrows(() => expandPaths({ write: [path] }, directories), TypeError);
  }
});

Deno.test("deniedAccess() parses errors of Deno", () => {
  const said: [string, unknown][] = [
    [
      'Requires read access to "/etc/x y", run again with the --allow-read flag',
      { kind: "read", value: "/etc/x y" },
    ],
    [
      "Requires run access, run again with the --allow-run flag",
      { kind: "run", value: "*" },
    ],
    ["no such file", undefined],
  ];
  for (const [message, expected] of said) {
    assertEquals(deniedAccess(message), expected as undefined);
  }
});

Deno.test("grantOption() can be pasted into a shell", async () => {
  assertEquals(
    grantOption("x", { kind: "net", value: "a.com:443" }),
    "--allow-plugin x:net=a.com:443",
  );
  for (
    const value of ["$HOME/x", "a;id", "$(id)", "`id`", "it's", "a, b", "*"]
  ) {
    const option = grantOption("x", { kind: "steps", value });
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: ["-c", `for word in ${option}; do echo "$word"; done`],
    }).output();
    const [, line] = new TextDecoder().decode(stdout).split("\n");
    assertEquals(readGrants([line])("x").steps, [value]);
  }
});

const HASH = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

Deno.test("parseAddress() accepts only pinned addresses", () => {
  const base64 = Uint8Array.fromHex(HASH).toBase64();
  for (const hash of [HASH, HASH.toUpperCase(), base64]) {
    const { name, hash: read } = parseAddress(
      `https://a.com/x/plugin_slack.ts#sha256-${hash}`,
    );
    assertEquals([name, read], ["slack", HASH]);
  }
  assertEquals(
    parseAddress(`jsr:@a/b@1.2.3/sub#sha256-${HASH}`).pinned,
    "@a/b@1.2.3",
  );
  assertEquals(parseAddress("npm:a@1.2.3#sha512-AAAA").scheme, "npm");
  for (
    const text of [
      "https://a.com/x.ts",
      "https://a.com/x.ts#sha256-abc",
      `http://a.com/x.ts#sha256-${HASH}`,
      `file:///x.ts#sha256-${HASH}`,
      `jsr:@a/b@^1.2.3#sha256-${HASH}`,
      `jsr:@a/b#sha256-${HASH}`,
      "npm:a@1#sha512-AAAA",
      `npm:a@1.2.3#sha256-${HASH}`,
    ]
  ) {
    const error = assertThrows(() => parseAddress(text), RunnerError);
    assertEquals(error.code, "invalid-config");
  }
});

Deno.test("fetchPlugin() rejects a file with a different hash", async () => {
  await using directory = await temporaryDirectory();
  const address = parseAddress(`https://a.com/plugin_x.ts#sha256-${HASH}`);
  const serve = (text: string, status = 200) => () =>
    Promise.resolve(new Response(text, { status }));
  const { requested, file } = await fetchPlugin(
    address,
    directory.path,
    serve("a"),
  );
  assertEquals(requested, {});
  assertEquals(await Deno.readTextFile(file!), "a");
  for (const get of [serve("b"), serve("a", 404)]) {
    const error = await assertRejects(
      () => fetchPlugin(address, directory.path, get),
      RunnerError,
    );
    assertEquals(error.code, "plugin-failed");
  }
});

Deno.test("findDeno() searches PATH if the runner is compiled", async () => {
  await using directory = await temporaryDirectory();
  assertEquals(await findDeno({}), Deno.execPath());
  const PATH = `/nowhere:${directory.path}`;
  await assertRejects(
    () => findDeno({ PATH }, { isStandalone: true }),
    RunnerError,
    "which is not on PATH",
  );
  await Deno.writeTextFile(`${directory.path}/deno`, "");
  assertEquals(
    await findDeno({ PATH }, { isStandalone: true }),
    `${directory.path}/deno`,
  );
});
