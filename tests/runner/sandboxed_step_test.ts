import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findStepSandbox } from "../../src/process/sandbox/find_sandbox.ts";
import { Job } from "../../src/steps/job.ts";
import type { StepOptions } from "../../src/steps/step.ts";
import zoo from "../fixtures/sandbox_zoo.py" with { type: "text" };
import { isClientMissing } from "../helpers/client.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { runCli } from "../helpers/cli.ts";
import { testRunner } from "../helpers/test_runner.ts";

const { problem } = await findStepSandbox(false);
const ignore = problem !== undefined;

/** What every sandboxed step may do. */
const ALLOWED = ["own file", "socket pair"];

/** What a step with a network may do as well. */
const WITH_NETWORK = [
  ...["IPv4", "IPv6", "datagrams", "packets", "netlink", "host sockets"],
  ...["Unix sockets"],
];

const KINDS: Readonly<Record<string, StepOptions<never>>> = {
  "an untrusted step": { untrusted: true },
  "an untrusted step without a network": {
    untrusted: true,
    permissions: { net: false },
  },
  "a step with permissions": {
    permissions: { read: ["."], write: ["."], net: false },
  },
};

for (const [kind, options] of Object.entries(KINDS)) {
  Deno.test(`${kind} does not leave its sandbox`, {
    ignore: ignore || isClientMissing("python3"),
  }, async () => {
    await using test = await testRunner();
    await using other = await temporaryDirectory();
    await makeFiles(other.path, { victim: "original" });
    await Deno.writeTextFile(`${test.path}/zoo.py`, zoo);
    const before = await Deno.stat(`${other.path}/victim`);
    const name = crypto.randomUUID();
    await using _ = await listenAbstract(name);
    const result = await test.runner.runJob(
      new Job("x").addStep(
        "zoo",
        ["python3", "zoo.py", other.path, String(Deno.pid), name],
        options,
      ),
    );
    assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
    const [, text] = /zoo: (.*)/.exec(test.stdout())!;
    const { descriptors, ...attempts } = JSON.parse(text);
    const hasNetwork = options.permissions?.net !== false;
    const allowed = [...ALLOWED, ...hasNetwork ? WITH_NETWORK : []];
    const done = Object.keys(attempts).filter((attempt) =>
      attempts[attempt] === "done"
    );
    // The system may lack a family of sockets, or the right to use it.
    assertEquals(
      done.filter((attempt) => !allowed.includes(attempt)),
      [],
      text,
    );
    assertEquals(
      ALLOWED.filter((attempt) => !done.includes(attempt)),
      [],
      text,
    );
    assertEquals(descriptors, []);
    assertEquals(Object.keys(attempts).length > 40, true, text);
    const after = await Deno.stat(`${other.path}/victim`);
    const { mode, uid, mtime, size } = after;
    assertEquals(
      [mode, uid, mtime, size],
      [before.mode, before.uid, before.mtime, before.size],
    );
    assertEquals(await listFiles(other.path), { victim: "original" });
  });
}

Deno.test(
  "permissions of a step limit what it writes, reads, connects to and sees",
  {
    ignore,
  },
  async () => {
    await using test = await testRunner({ OUTER: "outer", OTHER: "other" });
    await makeFiles(test.path, { "in/a": "a", "other/b": "b" });
    const result = await test.runner.runJob(
      new Job("x")
        .addStep(
          "write",
          `echo x > out/x; cat in/a other/b out/x; cp in/a "$TMPDIR/a"; touch "$HOME/x"
         ! touch other/new 2> /dev/null; ! touch in/new 2> /dev/null`,
          { permissions: { write: ["out/"] } },
        )
        .addStep("read", "cat in/a; ! cat other/b 2> /dev/null", {
          permissions: { read: ["in"], write: false },
        })
        .addStep("env", 'echo "<$OUTER|$OTHER|$OWN|${JOB:+set}>"', {
          permissions: { env: ["OUTER"] },
          env: { OWN: "own" },
        })
        .addStep("none", 'echo "<$OUTER|$OTHER|$OWN|${JOB:+set}>"', {
          permissions: { env: false },
        })
        .addStep(
          "all",
          'touch everywhere; echo "<$OUTER|$OTHER|$OWN|${JOB:+set}>"',
          {
            permissions: { read: true, write: true, net: true, env: true },
          },
        ),
      { env: { JOB: "job" } },
    );
    assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
    assertStringIncludes(test.stdout(), "<outer||own|>\n");
    assertStringIncludes(test.stdout(), "<|||>\n");
    assertStringIncludes(test.stdout(), "<outer|other||set>\n");
  },
);

Deno.test(
  "the summary points to the permissions of a step that was denied something",
  {
    ignore,
  },
  async () => {
    await using test = await testRunner();
    await test.runner.runJob(
      new Job("x")
        .addStep("denied", "touch /etc/x", { untrusted: true })
        .addStep("other", "exit 3", { untrusted: true }),
    );
    const hints = test.stderr().match(/^ {2}The step runs in a sandbox\./gm);
    assertEquals(hints?.length, 1, test.stderr());
  },
);

Deno.test("a link in the source does not widen the permissions of a step", {
  ignore,
}, async () => {
  await using test = await testRunner();
  await using other = await temporaryDirectory();
  await makeFiles(test.path, { "dist": `-> ${other.path}` });
  const result = await test.runner.runJob(
    new Job("x").addStep("evil", "touch dist/new", {
      permissions: { write: ["dist"] },
    }),
  );
  assertEquals(result.exitCode, 1);
  assertMatch(
    result.steps[0].reason!,
    /^Cannot let step "evil" write to "dist": .* it leads to ".*", outside /,
  );
});

Deno.test("a path that a step may write to must exist, or end with a slash", {
  ignore,
}, async () => {
  await using test = await testRunner();
  const result = await test.runner.runJob(
    new Job("x").addStep("a", "true", { permissions: { write: ["report"] } }),
  );
  assertEquals(
    result.steps[0].reason,
    'Cannot let step "a" write to "report": it does not exist; a directory is created if its path ends with "/"',
  );
});

Deno.test(
  "the environment of a step means nothing to what starts its sandbox",
  {
    ignore,
  },
  async () => {
    await using test = await testRunner();
    await makeFiles(test.path, { "Evil.pm": 'print "evil\\n"; 1;' });
    const env = {
      PERL5LIB: test.path,
      PERL5OPT: "-MEvil",
      LD_PRELOAD: "/missing.so",
      "with.dot": "a\nb",
    };
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("perl", 'echo "<$PERL5OPT>"', { untrusted: true, env })
        .addStep("names", ["/usr/bin/env", "-0"], { untrusted: true, env }),
    );
    assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
    assertStringIncludes(test.stdout(), "<-MEvil>\n");
    assertEquals(/evil$/m.test(test.stdout()), false, test.stdout());
    assertStringIncludes(test.stdout(), "with.dot=a\n");
    // The command itself complains, as it should.
    const complaints = test.stdout().match(/perl .*missing\.so/g);
    assertEquals(complaints?.length, 1, test.stdout());
  },
);

Deno.test("a job whose permissions cannot be enforced fails before its first step", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "job.yaml": `
steps:
  - { name: first, run: touch first }
  - { name: second, run: "true", permissions: { net: false } }
`,
  });
  const { code, stderr } = await runCli(["run"], {
    cwd: path,
    // Without Perl.
    permissions: [
      ...["--allow-read", "--allow-write", "--allow-env", "--allow-net"],
      "--allow-run=/bin/sh,/usr/bin/setsid",
    ],
  });
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /Cannot run a step with "permissions" in a sandbox: /);
  assertEquals("first" in await listFiles(path), false);
});

/** Listens on an abstract socket, which no path protects. */
async function listenAbstract(name: string): Promise<AsyncDisposable> {
  const server = new Deno.Command("python3", {
    args: [
      "-c",
      `import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind("\\0" + sys.argv[1])
server.listen(1)
print("ready", flush=True)
sys.stdin.read()`,
      name,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = server.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  return {
    [Symbol.asyncDispose]: async () => {
      await server.stdin.close();
      await server.stdout.cancel();
      await server.status;
    },
  };
}
