import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { registerSecrets } from "../../../src/secrets/registration/register_secrets.ts";
import { openRegistration } from "../../../src/secrets/registration/server.ts";
import { Random } from "../../helpers/random.ts";
import {
  exchange,
  frame,
  RawClient,
  request,
  testRegistration,
} from "../../helpers/registration.ts";
import { soon } from "../../helpers/soon.ts";
import {
  exists,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

const INVALID_JSON = "ERROR: Invalid JSON\n";
const UNKNOWN_ACTION = "ERROR: Unknown action\n";
const CLOSED = "";

/** A request, its exact reply, and the registered values. */
const EXCHANGES: [
  what: string,
  sent: Uint8Array,
  reply: string,
  registered?: string[],
][] = [
  ["a list", request(["a", "b"]), granted(2), ["a", "b"]],
  ["a text", request("alone"), granted(1), ["alone"]],
  ["an object", request({ k1: "v", k2: 1, "": 2 }), granted(2), ["k1", "k2"]],
  ["an empty list", request([]), granted(0)],
  ["an empty text", request(""), granted(0)],
  ["white space", request([" a ", "\n"]), granted(2), [" a ", "\n"]],
  [
    "elements that are no text",
    request(["x", 1, null, true, ["y"], { z: 1 }, "", "x"]),
    granted(2),
    ["x"],
  ],
  ["no secrets", frame('{"action": "register"}'), granted(0)],
  [
    "escapes",
    frame('{"action":"register","secrets":["p\\u00e4ss\\n\\"w\\""],"more":1}'),
    granted(1),
    ['päss\n"w"'],
  ],
  ["white space around", frame(' {"action":"register"}\r\n\t'), granted(0)],
  [
    "the last of equal keys",
    frame('{"action":"x","action":"register"}'),
    granted(0),
  ],
  ["more than its frame", join(request(["a"]), request(["b"])), granted(1), [
    "a",
  ]],
  ["no bytes", frame(""), INVALID_JSON],
  ["no JSON", frame("register"), INVALID_JSON],
  ["half of the JSON", frame('{"action": "register"'), INVALID_JSON],
  ["bad UTF-8", frame(Uint8Array.of(0x22, 0xff, 0x22)), INVALID_JSON],
  [
    "half a surrogate",
    frame(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)),
    INVALID_JSON,
  ],
  ["a byte order mark", frame('\ufeff{"action":"register"}'), INVALID_JSON],
  [
    "another action",
    frame('{"action": "forget", "secrets": null}'),
    UNKNOWN_ACTION,
  ],
  ["no action", frame('{"secrets": ["a"]}'), UNKNOWN_ACTION],
  ["an action in a list", frame('{"action": ["register"]}'), UNKNOWN_ACTION],
  [
    "an action that is inherited",
    frame('{"__proto__": {"action": "register"}}'),
    UNKNOWN_ACTION,
  ],
  ["a list as request", frame('["register"]'), CLOSED],
  ["a text as request", frame('"register"'), CLOSED],
  ["null as request", frame("null"), CLOSED],
  ["a number as request", frame("1"), CLOSED],
  ["secrets that are null", request(null), CLOSED],
  ["secrets that are a number", request(7), CLOSED],
  ["secrets that are a truth value", request(false), CLOSED],
  ["a length of one byte too many", frame("", 1_048_577), CLOSED],
  ["the greatest length", frame("x".repeat(100), 0xffff_ffff), CLOSED],
];

describe("openRegistration() follows the protocol for", () => {
  for (const [what, sent, reply, registered = []] of EXCHANGES) {
    it(what, async () => {
      await using registration = await testRegistration();
      assertEquals(await exchange(registration.path, sent), reply);
      assertEquals(registration.values, registered);
      await assertServes(registration.path);
      assertEquals(registration.warnings, []);
    });
  }

  it("a request of maximum length", async () => {
    await using registration = await testRegistration();
    const envelope = '{"action":"register","secrets":[""]}';
    const secret = "s".repeat(1_048_576 - envelope.length);
    const sent = request([secret]);
    assertEquals(sent.length, 4 + 1_048_576);
    assertEquals(await exchange(registration.path, sent), granted(1));
    assertEquals(registration.values, [secret]);
  });

  it("a request that arrives byte by byte", async () => {
    await using registration = await testRegistration();
    using client = await RawClient.connect(registration.path);
    for (const byte of request(["bytewise"])) {
      await client.send(Uint8Array.of(byte));
    }
    assertEquals(await client.readRest(), granted(1));
    assertEquals(registration.values, ["bytewise"]);
  });

  it("a client that sends only its request", async () => {
    await using registration = await testRegistration();
    using client = await RawClient.connect(registration.path);
    await client.send(request(["half-closed"]));
    await client.endSending();
    assertEquals(await client.readRest(), granted(1));
  });

  it("frames that end too early", async () => {
    await using registration = await testRegistration();
    const whole = request(["never"]);
    for (const length of [0, 1, 3, 4, 5, whole.length - 1]) {
      using client = await RawClient.connect(registration.path);
      await client.send(whole.subarray(0, length));
      await client.endSending();
      assertEquals(await soon(client.readRest(), "the end"), CLOSED);
    }
    assertEquals(registration.values, []);
    await assertServes(registration.path);
  });

  it("garbage", async () => {
    await using registration = await testRegistration();
    const random = new Random();
    const pieces = [
      '{"action":',
      '"register"',
      ',"secrets":',
      "[",
      '"a"',
      "]",
      "}",
      "\\u00",
      "é",
    ];
    for (let round = 0; round < 200; round++) {
      const text = Array.from(
        { length: random.below(9) },
        () => random.pick(pieces),
      ).join("");
      const sent = random.below(2) === 0 ? frame(text) : Uint8Array.from(
        { length: random.below(64) },
        () => random.below(256),
      );
      using client = await RawClient.connect(registration.path);
      await client.send(sent);
      await client.endSending();
      const reply = await soon(
        client.readRest(),
        `an end, seed ${random.seed}`,
      );
      assertMatch(
        reply,
        /^(ERROR: (Invalid JSON|Unknown action)\n|\{"status": "ok", "registered": \d+\}\n|)$/,
        `seed ${random.seed}`,
      );
    }
    await assertServes(registration.path);
    assertEquals(registration.warnings, []);
  });
});

describe("openRegistration() serves", () => {
  it("200 clients at once", async () => {
    await using registration = await testRegistration();
    const names = Array.from({ length: 200 }, (_, i) => `secret-${i}`);
    const replies = await Promise.all(
      names.map((name) => exchange(registration.path, request([name]))),
    );
    assertEquals(new Set(replies), new Set([granted(1)]));
    assertEquals(registration.values.toSorted(), names.toSorted());
  });

  it("others while 100 clients send nothing, or half a request", async () => {
    await using registration = await testRegistration();
    using stalled = new DisposableStack();
    const clients: RawClient[] = [];
    for (let i = 0; i < 100; i++) {
      const client = stalled.use(await RawClient.connect(registration.path));
      await client.send(request(["stalled"]).subarray(0, i % 10));
      clients.push(client);
    }
    let endedCount = 0;
    const ends = clients.map((client) =>
      client.readRest().then(() => endedCount++)
    );
    await assertServes(registration.path);
    assertEquals(endedCount, 0);
    await registration.close();
    await soon(Promise.all(ends), "the end of all connections");
    assertEquals(registration.values, ["still serving"]);
  });

  it("more clients than it accepts at once, after others have timed out", async () => {
    await using registration = await testRegistration({ limitMs: 300 });
    using stalled = new DisposableStack();
    for (let i = 0; i < 300; i++) {
      stalled.use(await RawClient.connect(registration.path));
    }
    await assertServes(registration.path);
  });

  it("no client beyond its time limit, even an active one", async () => {
    await using registration = await testRegistration({ limitMs: 200 });
    using client = await RawClient.connect(registration.path);
    await client.send(frame("", 1_000_000));
    const dripping = (async () => {
      while (await client.send(Uint8Array.of(0x20)));
    })();
    assertEquals(await soon(client.readRest(), "the end"), CLOSED);
    await soon(dripping, "the end of dripping");
    await assertServes(registration.path);
  });

  it("others if a client disconnects during its request", async () => {
    await using registration = await testRegistration();
    for (const length of [0, 2, 4, 20]) {
      using client = await RawClient.connect(registration.path);
      await client.send(request(["left early"]).subarray(0, length));
    }
    const whole = await RawClient.connect(registration.path);
    await whole.send(request(["did not wait"]));
    whole[Symbol.dispose]();
    await assertServes(registration.path);
    assertEquals(registration.warnings, []);
  });
});

describe("openRegistration() registers", () => {
  it("before it answers", async () => {
    const events: string[] = [];
    await using registration = await testRegistration({
      onRegister: (values) => void events.push(...values),
    });
    await registerSecrets(registration.path, ["value"]);
    events.push("answered");
    assertEquals(events, ["value", "answered"]);
  });

  it("nothing, and does not confirm, if masking fails", async () => {
    let isBroken = true;
    const masked: string[] = [];
    await using registration = await testRegistration({
      onRegister(values) {
        if (isBroken) throw new TypeError(`Cannot mask ${values}`);
        masked.push(...values);
      },
    });
    const { path, warnings } = registration;
    assertEquals(await exchange(path, request(["hunter2"])), CLOSED);
    assertEquals(warnings, ["Cannot mask a secret: TypeError"]);
    isBroken = false;
    assertEquals(await exchange(path, request(["hunter2"])), granted(1));
    assertEquals(masked, ["hunter2"]);
  });

  it("a whole request or, beyond the limits, nothing", async () => {
    await using registration = await testRegistration();
    const { path, values, warnings } = registration;
    const many = Array.from({ length: 10_001 }, (_, i) => `s${i}`);
    const refused = "ERROR: Too many secrets\n";
    assertEquals(await exchange(path, request(many)), refused);
    assertEquals(await exchange(path, request(many)), refused);
    assertEquals(values, []);
    assertEquals(warnings, [
      "A program's secrets were rejected: there are too many",
    ]);
    assertEquals(
      await exchange(path, request(many.slice(1))),
      granted(10_000),
    );
  });
});

describe("openRegistration() creates", () => {
  it("a socket that only the user can reach", async () => {
    await using registration = await testRegistration();
    const { path, directory } = registration;
    assertMatch(
      path.slice(directory.length),
      /^\/runnerlib-[0-9a-f]{12}\/[0-9a-f]{12}\/socket$/,
    );
    const socket = await Deno.lstat(path);
    const parent = await Deno.lstat(path.slice(0, path.lastIndexOf("/")));
    assertEquals(socket.isSocket, true);
    assertEquals(socket.mode! & 0o777, 0o600);
    assertEquals(parent.mode! & 0o777, 0o700);
    await using other = await testRegistration();
    assert(other.path.split("/").at(-2) !== path.split("/").at(-2));
  });

  it("a socket whose path the system does not tell other users", async () => {
    if (Deno.build.os !== "linux") return;
    await using registration = await testRegistration();
    const { path, directory } = registration;
    const sockets = await Deno.readTextFile("/proc/net/unix");
    assertStringIncludes(sockets, `${directory}/runnerlib-`);
    assert(!sockets.includes(path.split("/").at(-2)!), sockets);
    const entries = await Array.fromAsync(Deno.readDir(directory));
    assertEquals(entries.length, 1);
  });

  it("it elsewhere if the directory is missing, or its path is too long or relative", async () => {
    await using directory = await temporaryDirectory();
    const long = `${directory.path}/${"d".repeat(100)}`;
    await Deno.mkdir(long);
    for (const place of [long, `${directory.path}/missing`, "tests", ""]) {
      await using registration = await testRegistration({
        parents: [place, directory.path],
      });
      assertEquals(registration.path.startsWith(`${directory.path}/r`), true);
      await assertServes(registration.path);
    }
    assertEquals((await Array.fromAsync(Deno.readDir(long))).length, 0);
  });

  it("nothing if there is no usable directory", async () => {
    await using directory = await temporaryDirectory();
    const place = `${directory.path}/missing`;
    await Deno.mkdir(directory.path + "/x".repeat(60), { recursive: true });
    const error = assertThrows(() =>
      openRegistration({
        parents: [place, directory.path + "/x".repeat(60)],
        mask: () => {},
        onRegister: () => {},
        onWarning: () => {},
      }), RunnerError);
    assertMatch(
      error.message,
      /^Cannot open a socket in ".*\/missing" or ".*": no such file or directory, path too long$/,
    );
  });

  it("nothing without the permission, and does not ask for it", async () => {
    await using directory = await temporaryDirectory();
    const server = import.meta.resolve(
      "../../../src/secrets/registration/server.ts",
    );
    const script = `${directory.path}/open.ts`;
    await Deno.writeTextFile(
      script,
      `import { openRegistration } from ${JSON.stringify(server)};
       openRegistration({ parents: [Deno.args[0]], mask() {}, onRegister() {}, onWarning() {} });`,
    );
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-check", "--allow-read", "--allow-write"],
        `--config=${new URL("../../../deno.json", import.meta.url).pathname}`,
        ...[script, directory.path],
      ],
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 1);
    assertMatch(
      new TextDecoder().decode(stderr),
      /RunnerError: Cannot open a socket .*: no permission to use the network/,
    );
    const left = await Array.fromAsync(Deno.readDir(directory.path));
    assertEquals(left.map(({ name }) => name), ["open.ts"]);
  });
});

describe("openRegistration(), when it is disposed,", () => {
  it("ends every connection and leaves nothing behind", async () => {
    await using registration = await testRegistration();
    const { path, directory } = registration;
    using idle = await RawClient.connect(path);
    using half = await RawClient.connect(path);
    await half.send(request(["half"]).subarray(0, 9));
    await assertServes(path);
    await registration.close();
    assertEquals([await idle.readRest(), await half.readRest()], [
      CLOSED,
      CLOSED,
    ]);
    assertEquals(await Array.fromAsync(Deno.readDir(directory)), []);
    await registration.close();
    const error = await registerSecrets(path, ["late"]).catch((item) => item);
    assertEquals(
      error.message,
      `Cannot register secrets at "${path}": no such file or directory`,
    );
  });

  it("ends waiting connections as well", async () => {
    await using registration = await testRegistration();
    using waiting = new DisposableStack();
    const ends = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const client = waiting.use(await RawClient.connect(registration.path));
        return () => client.readRest();
      }),
    );
    await registration.close();
    const replies = await soon(
      Promise.all(ends.map((rest) => rest())),
      "the end of all connections",
    );
    assertEquals(new Set(replies), new Set([CLOSED]));
  });

  it("does not fail if the job has removed its directory", async () => {
    await using registration = await testRegistration();
    const { path, warnings } = registration;
    const directory = path.slice(0, path.lastIndexOf("/"));
    await Deno.remove(directory, { recursive: true });
    await registration.close();
    assertEquals([await exists(directory), warnings], [false, []]);
  });
});

async function assertServes(path: string): Promise<void> {
  assertEquals(await exchange(path, request(["still serving"])), granted(1));
}

function granted(count: number): string {
  return `{"status": "ok", "registered": ${count}}\n`;
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
