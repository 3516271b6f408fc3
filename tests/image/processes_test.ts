import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { describeImage, inImage, startInImage } from "../helpers/image.ts";

/** Orphans 1,000 processes that end, and counts those that no one has reaped. */
const ORPHANS = `
i=0
while [ $i -lt 1000 ]; do (true &); i=$((i + 1)); done
sleep 1
zombies=0
for file in /proc/[0-9]*/stat; do
  state=$(sed 's/.*) //; s/ .*//' $file 2>/dev/null)
  [ "$state" != Z ] || zombies=$((zombies + 1))
done
echo "zombies: $zombies, first: $(cat /proc/1/comm)"
`;

const DENO = "/usr/local/lib/deno/deno";

describeImage("the image leaves no zombies", (it) => {
  const job = ["run", "--job-command", ORPHANS];
  for (
    const [name, argv, expected] of [
      [
        "as the first process",
        ["runnerlib", ...job],
        "zombies: 0, first: tini",
      ],
      [
        "below tini",
        ["tini", "--", "runnerlib", ...job],
        "zombies: 0, first: tini",
      ],
      [
        "below a shell",
        ["sh", "-c", 'runnerlib "$@"; exit $?', "sh", ...job],
        "zombies: 0, first: sh",
      ],
      [
        "when the first process is a pipeline",
        ["deno", "eval", pipeline(ORPHANS)],
        "zombies: 0, first: tini",
      ],
    ] as const
  ) {
    it(name, async () => {
      const { code, stdout, stderr } = await inImage([...argv]);
      assertEquals(code, 0, stderr);
      assertEquals(stdout.trim(), expected);
    });
  }

  it("where Deno alone would leave them", async () => {
    const { stdout } = await inImage([DENO, "eval", pipeline(ORPHANS)]);
    assertMatch(stdout, /^zombies: [1-9]\d+, first: deno/);
  });
});

describeImage("the image passes on", (it) => {
  const job = [
    ...["runnerlib", "run", "--grace", "10m", "--job-command"],
    `trap "echo got TERM; exit 0" TERM
     trap "echo got INT; exit 0" INT
     echo ready
     while :; do sleep 0.1; done`,
  ];
  for (const [signal, expected] of [["TERM", 143], ["INT", 130]] as const) {
    it(`SIG${signal}, within the grace time`, async () => {
      await using container = await startInImage(job);
      await container.sees("ready");
      await container.signal(signal);
      const { code, stdout } = await container.end();
      assertEquals(code, expected);
      assertMatch(stdout, new RegExp(`got ${signal}`));
    });
  }

  it("exit codes of commands that a signal ended", async () => {
    const { code } = await inImage([
      ...["runnerlib", "run", "--", "sh", "-c", "kill -KILL $$"],
    ]);
    assertEquals(code, 137);
  });
});

/** Steps that leave a process in a session of its own, and look for it. */
const LEAVING = JSON.stringify({
  steps: {
    leave: {
      run: "setsid sleep 4321 & sleep 0.2; grep -l sleep /proc/[0-9]*/comm",
      untrusted: true,
    },
    look: {
      run: "! grep -l sleep /proc/[0-9]*/comm; sleep 1",
      needs: "leave",
    },
  },
});

describeImage("the image", (it) => {
  it("leaves no process of an untrusted step, and measures steps", async () => {
    const { code, stdout, stderr } = await inImage([
      ...["sh", "-c"],
      `echo "$1" > job.json
       runnerlib run --job-file job.json
       grep -l cpuMs /job/artifacts/run.jsonl`,
      ...["sh", LEAVING],
    ]);
    assertEquals(code, 0, stdout + stderr);
    assertStringIncludes(stdout, "/comm");
    assert(!stderr.includes("warning"), stderr);
  });

  it("ends all processes of a step when the job is cancelled", async () => {
    const { stdout } = await inImage([
      ...["sh", "-c"],
      `runnerlib run --job-command "setsid sleep 4321 & echo > /tmp/ready; sleep 4321" &
       until [ -e /tmp/ready ]; do sleep 0.1; done
       kill -TERM $!
       wait
       grep -l sleep /proc/[0-9]*/comm || echo nothing left`,
    ]);
    assertStringIncludes(stdout, "nothing left");
  });
});

/** Code that runs a shell script and prints what it prints. */
function pipeline(script: string): string {
  return `await new Deno.Command("sh", {
    args: ["-c", ${JSON.stringify(script)}],
    stdout: "inherit",
  }).output();`;
}
