import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findSandbox } from "../../src/process/sandbox/find_sandbox.ts";
import { Job } from "../../src/steps/job.ts";
import type { StepOptions } from "../../src/steps/step.ts";
import { findContainment } from "../../src/process/containment.ts";
import zoo from "../fixtures/sandbox_zoo.py" with { type: "text" };
import objects from "../fixtures/shared_objects.py" with { type: "text" };
import { isProgramMissing } from "../helpers/missing_program.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { CLI, cliEnv, runCli } from "../helpers/cli.ts";
import { testRunner } from "../helpers/test_runner.ts";

const { problem } = await findSandbox(false);
const ignore = problem !== undefined;

/** Actions that every sandboxed step may perform. */
const ALLOWED = ["own file", "socket pair"];

/** Actions that only a mount namespace prevents. */
const OUTSIDE = [
  ...["status of shared memory", "program outside", "socket outside"],
  ...["mode", "owner", "time", "attribute", "files of the runner", "watching"],
];

/** Additional actions of a step with network access. */
const WITH_NETWORK = [
  ...["IPv4", "IPv6", "datagrams", "netlink", "host sockets", "Unix sockets"],
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
    ignore: ignore || isProgramMissing("python3"),
  }, async () => {
    await using test = await testRunner();
    await using outside = await openOutside();
    await Deno.writeTextFile(`${test.path}/zoo.py`, zoo);
    const result = await test.runner.runJob(
      new Job("x").addStep("zoo", zooCommand(outside), options),
    );
    assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
    const { namespace } = await findContainment(false);
    const hasMounts = namespace?.hasMounts ?? false;
    const hasNetwork = options.permissions?.net !== false;
    checkAttempts(test.stdout(), { hasMounts, hasNetwork });
    await outside.check(hasMounts);
  });
}

/** Capabilities of root in most containers. */
const CONTAINER_RIGHTS = [
  ...["chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid"],
  ...["setpcap", "net_bind_service", "net_raw", "sys_chroot", "mknod"],
  ...["audit_write", "setfcap"],
].map((name) => `+${name}`).join();

/** Permissions of Deno with which a job can run, but that are not all. */
const FEW_PERMISSIONS = [
  ...["--allow-env", "--allow-read", "--allow-write", "--allow-run"],
  "--allow-net",
];

/** Words that start a runner in a certain way, and its permissions of Deno. */
interface Start {
  words: readonly string[];
  permissions?: readonly string[];
  hasMounts: boolean;
}

/** Users that a runner can have, and how it is started as one of them. */
const USERS: Readonly<Record<string, Start>> = {
  "of a runner that has not all permissions of Deno": {
    words: ["env"],
    permissions: FEW_PERMISSIONS,
    hasMounts: (await findContainment(false)).namespace?.hasMounts ?? false,
  },
  "of a user without rights": {
    words: ["unshare", "--user", "--map-user=1000", "--map-group=1000"],
    hasMounts: true,
  },
  "of root whose programs inherit capabilities": {
    words: ["setpriv", "--inh-caps=+sys_admin,+sys_ptrace,+mknod"],
    hasMounts: true,
  },
  "of root in a container": {
    words: [
      ...["unshare", "--user", "--map-root-user", "sh", "-c"],
      `echo 0 > /proc/sys/user/max_user_namespaces
      exec setpriv --bounding-set=-all,${CONTAINER_RIGHTS} "$@"`,
      "sh",
    ],
    hasMounts: false,
  },
  "without namespaces": {
    words: [
      ...["unshare", "--user", "--map-root-user", "sh", "-c"],
      `echo 0 > /proc/sys/user/max_user_namespaces
      exec setpriv --inh-caps=-all --bounding-set=-all "$@"`,
      "sh",
    ],
    hasMounts: false,
  },
};

for (const [user, start] of Object.entries(USERS)) {
  const { words, permissions = ["-A"], hasMounts } = start;
  Deno.test(`a step ${user} does not leave its sandbox`, {
    ignore: ignore || isProgramMissing("python3") || !await works(words),
  }, async () => {
    await using directory = await temporaryDirectory();
    await using temporary = await temporaryDirectory();
    const { path } = directory;
    await using outside = await openOutside();
    await makeFiles(path, {
      "zoo.py": zoo,
      "job.json": JSON.stringify({
        steps: [{ name: "zoo", run: zooCommand(outside), untrusted: true }],
      }),
    });
    const [program, ...args] = words;
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: [
        ...args,
        ...[Deno.execPath(), "run", "--no-check", "--no-prompt"],
        ...[...permissions, CLI, "run", "--job-file", "job.json"],
      ],
      cwd: path,
      env: { ...cliEnv(), TMPDIR: temporary.path },
      clearEnv: true,
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, text + new TextDecoder().decode(stderr));
    checkAttempts(text, { hasMounts, hasNetwork: true });
    await outside.check(hasMounts);
  });
}

/** Checks whether the system allows some words before a program. */
async function works([program, ...args]: readonly string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args: [...args, "true"],
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}

/** Checks which attempts succeeded and which failed. */
function checkAttempts(
  output: string,
  { hasMounts, hasNetwork }: { hasMounts: boolean; hasNetwork: boolean },
) {
  const [, text] = /zoo: (.*)/.exec(output)!;
  const { descriptors, ...attempts } = JSON.parse(text);
  const required = [
    ...ALLOWED,
    // Without mounts, memory and terminals are those of all processes.
    ...hasMounts ? ["own memory", "own terminal"] : [],
  ];
  const allowed = [
    ...required,
    ...hasNetwork ? WITH_NETWORK : [],
    ...hasMounts ? [] : OUTSIDE,
  ];
  const done = Object.keys(attempts).filter((attempt) =>
    attempts[attempt] === "done"
  );
  // The system may lack a family of sockets, or the right to use it.
  assertEquals(done.filter((one) => !allowed.includes(one)), [], text);
  assertEquals(required.filter((one) => !done.includes(one)), [], text);
  assertEquals(descriptors, []);
  assertEquals(Object.keys(attempts).length > 110, true, text);
}

/** Files that a step must neither read nor change. */
interface Outside extends AsyncDisposable {
  readonly path: string;
  /** Objects that another process shares, as JSON. */
  readonly objects: string;
  /** Checks that nothing has changed. */
  check(isStatusKept: boolean): Promise<void>;
}

function zooCommand({ path, objects }: Outside): string[] {
  return ["python3", "zoo.py", path, String(Deno.pid), objects];
}

async function openOutside(): Promise<Outside> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  await makeFiles(path, { victim: "original" });
  const { objects } = stack.use(await shareObjects());
  const before = statusOf(await Deno.stat(`${path}/victim`));
  const opened = stack.move();
  return {
    path,
    objects,
    async check(isStatusKept) {
      assertEquals(await listFiles(path), { victim: "original" });
      const { memory } = JSON.parse(objects);
      assertEquals(await Deno.readTextFile(memory), "original");
      if (!isStatusKept) return;
      assertEquals(statusOf(await Deno.stat(`${path}/victim`)), before);
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

function statusOf({ mode, uid, mtime, size }: Deno.FileInfo) {
  return { mode, uid, mtime, size };
}

Deno.test("a step has its own terminals and memory, whatever else it reads", {
  ignore: ignore || isProgramMissing("python3") ||
    !(await findContainment(false)).namespace?.hasMounts,
}, async () => {
  await using test = await testRunner();
  const script = `python3 -c '
import os
controller, terminal = os.openpty()
os.write(controller, b"written\\n")
print(os.ttyname(terminal), os.read(terminal, 7))'
    ls /dev/pts; echo own > /dev/shm/own; ls /dev/shm`;
  const job = new Job("x");
  for (const [index, read] of [["."], ["/dev"], true as const].entries()) {
    job.addStep(`s${index}`, script, {
      permissions: { read, write: ["."] },
    });
  }
  // Lines of concurrent steps alternate.
  const result = await test.runner.runJob(job, { limits: { concurrency: 1 } });
  assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
  const expected = "/dev/pts/0 b'written'\nptmx\nown\n";
  const output = test.stdout().replaceAll(/^.* \| /gm, "");
  assertEquals(output.split(expected).length, 4, test.stdout());
});

for (const permissions of [["-A"], FEW_PERMISSIONS]) {
  Deno.test(
    `an untrusted step sees its processes, the system and devices if the runner has ${
      permissions.join(" ")
    }`,
    {
      ignore,
    },
    async () => {
      await using directory = await temporaryDirectory();
      const { path: cwd } = directory;
      const run = `cat /proc/$$/comm
      cat /proc/sys/kernel/ostype
      [ -d /sys/fs ] && echo system
      head -c 2 /dev/zero | wc -c
      head -c 2 /dev/urandom | wc -c
      sh -c 'echo > /dev/full' 2> /dev/null || echo full`;
      await makeFiles(cwd, {
        "job.json": JSON.stringify({
          steps: [{ name: "u", run, untrusted: true }, {
            name: "named",
            run: "cat /proc/sys/kernel/ostype; echo > /dev/null",
            needs: "u",
            permissions: { read: ["/proc/sys"], write: ["/dev/null"] },
          }],
        }),
      });
      const { code, stdout, stderr } = await runCli(
        ["run", "--job-file", "job.json"],
        { cwd, permissions },
      );
      assertEquals(code, 0, stdout + stderr);
      assertEquals(
        stdout.replaceAll(/^.* \| /gm, ""),
        "sh\nLinux\nsystem\n2\n2\nfull\nLinux\n",
      );
    },
  );
}

Deno.test("a step uses paths with links as its permissions name them", {
  ignore,
}, async () => {
  await using test = await testRunner();
  await using other = await temporaryDirectory();
  await makeFiles(other.path, { "real/in": "read me\n", "real/out/": "" });
  await Deno.symlink("real", `${other.path}/link`);
  await Deno.symlink(`${other.path}/link`, `${other.path}/again`);
  const result = await test.runner.runJob(
    new Job("x").addStep(
      "links",
      `cd ${other.path}; cat link/in; cat again/in; echo x > again/out/x
      bash -c 'cat <(echo substituted)'`,
      {
        untrusted: true,
        permissions: {
          read: [`${other.path}/link/in`],
          write: [`${other.path}/again/out`],
        },
      },
    ),
  );
  assertEquals(result.exitCode, 0, test.stdout() + test.stderr());
  assertStringIncludes(
    test.stdout(),
    "read me\nread me\nsubstituted\n",
  );
  assertEquals(await Deno.readTextFile(`${other.path}/real/out/x`), "x\n");
});

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
        .addStep("hidden", "cat /root/x", { untrusted: true })
        .addStep("other", "exit 3", { untrusted: true }),
    );
    const hints = test.stderr().match(/^ {2}The step runs in a sandbox\./gm);
    assertEquals(hints?.length, 2, test.stderr());
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
    // The command itself reports the error.
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

/** Starts a process that shares objects with the machine. */
async function shareObjects(): Promise<
  AsyncDisposable & { objects: string }
> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const server = new Deno.Command("python3", {
    args: ["-c", objects, path],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  stack.defer(async () => {
    await server.stdin.close();
    await server.stdout.cancel();
    await server.status;
  });
  const reader = server.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  const started = stack.move();
  return {
    objects: new TextDecoder().decode(value),
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}
