import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  createJobLog,
  type JobLogOptions,
} from "../../src/output/create_job_log.ts";
import type { StepLog } from "../../src/output/job_log.ts";
import { removePartialLogs } from "../../src/output/log_directory.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";
import { soon } from "../helpers/soon.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const encoder = new TextEncoder();

/** A log with files in a directory that is removed after the test. */
async function withLog(
  options: Partial<JobLogOptions>,
  body: (context: LogContext) => Promise<void>,
): Promise<void> {
  await using directory = await temporaryDirectory();
  const warnings: string[] = [];
  const stdout = new RecordingSink();
  const logs = `${directory.path}/artifacts/logs`;
  const log = createJobLog({
    stdout,
    stderr: stdout,
    style: "plain",
    steps: [],
    logDirectory: logs,
    onWarning: (message) => warnings.push(message),
    ...options,
  });
  await body({
    root: directory.path,
    logs,
    warnings,
    stdout,
    open: (step) => soon(log.openStep(step), "the log of a step"),
    openLazily: (step) => log.openStep(step, { isLazy: true }),
  });
}

interface LogContext {
  root: string;
  logs: string;
  warnings: string[];
  stdout: RecordingSink;
  open(step: string): Promise<StepLog>;
  openLazily(step: string): Promise<StepLog>;
}

async function finish(step: StepLog, ...texts: string[]): Promise<void> {
  for (const text of texts) await step.stdout.write(encoder.encode(text));
  await soon(step.close(), "the end of a step");
}

describe("createJobLog() writes the output of each step to a file", () => {
  it("as plain lines in order of arrival, under its name when it has ended", async () => {
    for (const style of ["plain", "prefixed", "grouped", "json"] as const) {
      await withLog({ style, color: true }, async ({ logs, open }) => {
        const step = await open("test (linux, 1)");
        const name = "test (linux, 1).log";
        await step.stdout.write(encoder.encode("out\n1%\r2%\r"));
        await step.stderr.write(encoder.encode("error\r\n"));
        assertEquals(Object.keys(await listFiles(logs)), [`.${name}.partial`]);
        await finish(step, "3%\nend");
        assertEquals(await listFiles(logs), {
          [name]: "out\nerror\n3%\nend\n",
        });
      });
    }
  });

  it("without breaking its lines", async () => {
    const line = "é".repeat(150_000);
    await withLog({ maxLineBytes: 50 }, async ({ logs, open }) => {
      const step = await open("a");
      await step.stdout.write(encoder.encode(line));
      await step.stderr.write(encoder.encode("between\n"));
      await finish(step, `${line}\n`);
      const { "a.log": text } = await listFiles(logs);
      assertStringIncludes(text, "é\nbetween\né");
      assertEquals(text.replace("\nbetween\n", ""), `${line}${line}\n`);
    });
  });

  it("even if it is large or empty", async () => {
    await withLog({}, async ({ logs, open, stdout }) => {
      const lines = `${"x".repeat(999)}\n`.repeat(300);
      const [much, nothing] = [await open("much"), await open("nothing")];
      await finish(much, ...Array(10).fill(lines), ...Array(500).fill("y\n"));
      await finish(nothing);
      const text = lines.repeat(10) + "y\n".repeat(500);
      const files = await listFiles(logs);
      assertEquals(files["much.log"] === text, true);
      assertEquals(files["nothing.log"], "");
      assertEquals(stdout.text === text, true);
    });
  });

  it("which is created with its first bytes or, if requested, at its end", async () => {
    await withLog({}, async ({ root, logs, openLazily, warnings }) => {
      await makeFiles(root, {
        victim: "untouched",
        "artifacts/logs/old.log": "old",
        "artifacts/logs/link.log": `-> ${root}/victim`,
      });
      const names = ["silent", "loud", "old", "link"];
      const steps = await Promise.all(names.map(openLazily));
      assertEquals(Object.keys(await listFiles(logs)), ["link.log", "old.log"]);
      await steps[1].stdout.write(encoder.encode("text\n"));
      assertEquals(
        Object.keys(await listFiles(logs)).filter((name) => /loud/.test(name)),
        [".loud.log.partial"],
      );
      for (const step of steps) await finish(step);
      assertEquals(await listFiles(logs), {
        "link.log": "",
        "loud.log": "text\n",
        "old.log": "",
        "silent.log": "",
      });
      assertEquals(await Deno.readTextFile(`${root}/victim`), "untouched");
      assertEquals(warnings, []);
    });
  });

  it("as one file with a name for each step without output", async () => {
    await withLog({}, async ({ logs, openLazily, warnings }) => {
      const inodeOf = (name: string) =>
        Deno.lstatSync(`${logs}/${name}.log`).ino;
      await finish(await openLazily("a"));
      await finish(await openLazily("b"));
      assertEquals(inodeOf("b"), inodeOf("a"));
      await Deno.remove(`${logs}/a.log`);
      await finish(await openLazily("c"));
      await finish(await openLazily("d"), "output\n");
      assertNotEquals(inodeOf("c"), inodeOf("b"));
      assertEquals(await listFiles(logs), {
        "b.log": "",
        "c.log": "",
        "d.log": "output\n",
      });
      assertEquals(warnings, []);
    });
  });

  it("and replaces an older file", async () => {
    await withLog({}, async ({ root, logs, open }) => {
      await makeFiles(root, {
        "artifacts/logs/a.log": "old",
        "artifacts/logs/.a.log.partial": "killed",
      });
      const step = await open("a");
      await step.stdout.write(encoder.encode("new\n"));
      assertEquals(await Deno.readTextFile(`${logs}/a.log`), "old");
      await finish(step);
      assertEquals(await listFiles(logs), { "a.log": "new\n" });
    });
  });
});

describe("createJobLog() is not confused by a step", () => {
  it("that puts a link in place of its file", async () => {
    await withLog({}, async ({ root, logs, open, warnings }) => {
      await makeFiles(root, {
        victim: "untouched",
        "artifacts/logs/a.log": `-> ${root}/victim`,
        "artifacts/logs/.a.log.partial": `-> ${root}/victim`,
      });
      await finish(await open("a"), "output\n");
      assertEquals(await listFiles(logs), { "a.log": "output\n" });
      assertEquals(await Deno.readTextFile(`${root}/victim`), "untouched");
      assertEquals(warnings, []);
    });
  });

  it("that replaces its file while it runs", async () => {
    const replacements: Record<string, string>[] = [
      {},
      { ".a.log.partial": "-> /etc/hostname" },
      { ".a.log.partial": "faked" },
      { ".a.log.partial/file": "in the way" },
    ];
    for (const replacement of replacements) {
      await withLog({}, async ({ logs, open, warnings }) => {
        const step = await open("a");
        await step.stdout.write(encoder.encode("one\n"));
        await Deno.remove(`${logs}/.a.log.partial`);
        await makeFiles(logs, replacement);
        await finish(step, "two\n");
        assertEquals(await listFiles(logs), { "a.log": "one\ntwo\n" });
        assertEquals(warnings, []);
      });
    }
  });

  it("that removes the directory", async () => {
    await withLog({}, async ({ root, logs, open, warnings }) => {
      const step = await open("a");
      await Deno.remove(`${root}/artifacts`, { recursive: true });
      await finish(step, "output\n");
      await finish(await open("b"), "more\n");
      assertEquals(await listFiles(logs), {
        "a.log": "output\n",
        "b.log": "more\n",
      });
      assertEquals(warnings, []);
    });
  });

  it("that replaces the directory with a link", async () => {
    for (const place of ["artifacts", "artifacts/logs"]) {
      await withLog({}, async ({ root, logs, open, warnings, stdout }) => {
        const step = await open("a");
        await Deno.rename(`${root}/${place}`, `${root}/moved`);
        await makeFiles(root, {
          "elsewhere/": "",
          [place]: `-> ${root}/elsewhere`,
        });
        await finish(step, "one\n");
        await finish(await open("b"), "two\n");
        assertEquals(await listFiles(`${root}/elsewhere`), {});
        const why = "the directory was replaced with a link";
        assertEquals(warnings, [
          `Cannot write the log "${logs}/a.log": ${why}`,
          `Cannot write the log "${logs}/b.log": ${why}`,
        ]);
        assertEquals(stdout.text, "one\ntwo\n");
      });
    }
  });

  it("that moves a parent of the directory, with a link to it", async () => {
    await withLog({}, async ({ root, logs, open, warnings }) => {
      const step = await open("a");
      await Deno.rename(`${root}/artifacts`, `${root}/moved`);
      await Deno.symlink("moved", `${root}/artifacts`);
      await finish(step, "one\n");
      await finish(await open("b"), "two\n");
      assertEquals(await listFiles(logs), {
        "a.log": "one\n",
        "b.log": "two\n",
      });
      assertEquals(warnings, []);
    });
  });

  it("of an earlier run that replaced the directory with a link", async () => {
    await withLog({}, async ({ root, open, warnings }) => {
      await makeFiles(root, {
        "elsewhere/": "",
        "artifacts/logs": `-> ${root}/elsewhere`,
      });
      await finish(await open("a"), "output\n");
      assertEquals(await listFiles(`${root}/elsewhere`), {});
      assertEquals(warnings.length, 1);
    });
  });

  it("that creates a directory in place of its file", async () => {
    await withLog({}, async ({ logs, open, warnings }) => {
      const step = await open("a");
      await makeFiles(logs, { "a.log/file": "in the way" });
      await finish(step, "one\n");
      assertEquals(warnings.length, 1);
      assertMatch(warnings[0], /^Cannot write the log ".*a\.log": \S/);
      assertEquals(await exists(`${logs}/.a.log.partial`), false);
    });
  });
});

describe("createJobLog() shows output that it cannot write to a file", () => {
  for (const style of ["plain", "grouped"] as const) {
    it(`in ${style} style, and warns once for each step`, async () => {
      await withLog({ style }, async ({ root, open, warnings, stdout }) => {
        await makeFiles(root, { artifacts: "a file" });
        await finish(await open("a"), "one\n", "two\n");
        const shown = style === "plain" ? "" : "=== a\n";
        assertEquals(stdout.text, `${shown}one\ntwo\n`);
        assertEquals(warnings.length, 1);
      });
    });
  }
});

describe("removePartialLogs()", () => {
  it("lists and removes the logs of a killed runner", async () => {
    await withLog({}, async ({ logs, open }) => {
      const step = await open("b");
      await finish(await open("done"), "done\n");
      await makeFiles(logs, {
        ".a.log.partial": "-> /etc/hostname",
        ".c.log.partial/": "",
        ".other": "",
      });
      assertEquals(await removePartialLogs(logs), [
        ".a.log.partial",
        ".b.log.partial",
      ]);
      assertEquals(await listFiles(logs), {
        ".c.log.partial/": "",
        ".other": "",
        "done.log": "done\n",
      });
      await step.close();
    });
  });

  it("finds nothing in a missing directory", async () => {
    await using directory = await temporaryDirectory();
    assertEquals(await removePartialLogs(`${directory.path}/missing`), []);
  });

  it("warns about a directory that it cannot read", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { logs: "a file" });
    const warnings: string[] = [];
    const found = await removePartialLogs(
      `${directory.path}/logs`,
      (message) => warnings.push(message),
    );
    assertEquals(found, []);
    assertEquals(warnings, [
      `Cannot clean up the logs in "${directory.path}/logs": not a directory`,
    ]);
  });
});
