import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createJobLog } from "../../src/output/create_job_log.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";
import {
  listFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SECRET = "correct-horse-battery";

const encoder = new TextEncoder();

function logIn(directory: string, style: "prefixed" | "grouped") {
  const masker = new Masker();
  const stdout = new RecordingSink();
  const warnings: string[] = [];
  const log = createJobLog({
    stdout,
    stderr: stdout,
    style,
    steps: [],
    logDirectory: directory,
    masker,
    onWarning: (message) => warnings.push(message),
  });
  async function write(name: string, text: string) {
    const step = await log.openStep(name);
    await step.stdout.write(encoder.encode(text));
    return step;
  }
  return { log, masker, stdout, warnings, write };
}

describe("createJobLog() masks secrets that are registered late", () => {
  it("in finished and open files", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { log, masker, warnings, write } = logIn(path, "prefixed");
    const finished = await write("finished", `1 ${SECRET}\n`.repeat(9_000));
    await finished.close();
    const open = await write("open", `2 ${SECRET}`);
    masker.add(SECRET);
    const late = await write("late", "3 [REDACTED]\n");
    await late.close();
    await open.close();
    await log.remaskLogs();
    assertEquals(await listFiles(path), {
      "finished.log": "1 [REDACTED]\n".repeat(9_000),
      "open.log": "2 [REDACTED]\n",
      "late.log": "3 [REDACTED]\n",
    });
    assertEquals(warnings, []);
  });

  it("in names of files, which stay different", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { log, masker, warnings, write } = logIn(path, "prefixed");
    for (const name of [`a ${SECRET}`, "a other-secret", "b", `b/${SECRET}`]) {
      await (await write(name, `${name}\n`)).close();
    }
    masker.add(SECRET);
    masker.add("other-secret");
    assertEquals([...await log.remaskLogs()], [
      [`a ${SECRET}.log`, "a [REDACTED].log"],
      ["a other-secret.log", "a [REDACTED]~2.log"],
      [`b%2F${SECRET}.log`, "b%2F[REDACTED].log"],
    ]);
    const files = {
      "a [REDACTED].log": "a [REDACTED]\n",
      "a [REDACTED]~2.log": "a [REDACTED]\n",
      "b.log": "b\n",
      "b%2F[REDACTED].log": "b/[REDACTED]\n",
    };
    assertEquals(await listFiles(path), files);
    masker.add("one-more-secret");
    assertEquals((await log.remaskLogs()).size, 0);
    assertEquals(await listFiles(path), files);
    assertEquals(warnings, []);
  });

  it("in a block that is not printed yet", async () => {
    await using directory = await temporaryDirectory();
    const { masker, stdout, write } = logIn(directory.path, "grouped");
    const step = await write("a", `before ${SECRET}\n`);
    masker.add(SECRET);
    await step.close();
    assertEquals(stdout.text, "=== a\nbefore [REDACTED]\n");
  });

  it("and changes nothing else", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { log, masker, warnings, write } = logIn(path, "prefixed");
    await Deno.writeTextFile(`${path}/victim`, SECRET);
    for (const name of ["linked", "removed", "replaced"]) {
      await (await write(name, "text\n")).close();
    }
    await Deno.remove(`${path}/linked.log`);
    await Deno.symlink(`${path}/victim`, `${path}/linked.log`);
    await Deno.remove(`${path}/removed.log`);
    await Deno.remove(`${path}/replaced.log`);
    await Deno.mkdir(`${path}/replaced.log`);
    masker.add(SECRET);
    await log.remaskLogs();
    assertEquals(await Deno.readTextFile(`${path}/victim`), SECRET);
    assertEquals((await Deno.lstat(`${path}/linked.log`)).isSymlink, true);
    assertEquals(warnings, []);
  });

  it("and reads no more of a file than was written to it", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { log, masker, warnings, write } = logIn(path, "prefixed");
    for (const name of ["appended", "huge"]) {
      await (await write(name, `${SECRET} abc\n`)).close();
    }
    await Deno.writeTextFile(`${path}/appended.log`, "more", { append: true });
    // 4 TiB without blocks on the disk.
    await Deno.remove(`${path}/huge.log`);
    await Deno.writeTextFile(`${path}/huge.log`, "");
    await Deno.truncate(`${path}/huge.log`, 2 ** 42);
    masker.add(SECRET);
    await log.remaskLogs();
    masker.add("abc");
    await log.remaskLogs();
    assertEquals(await listFiles(path), {
      "appended.log": "[REDACTED] [REDACTED]\n",
      "huge.log": "\0".repeat(`${SECRET} abc\n`.length),
    });
    assertEquals(warnings, []);
  });
});
