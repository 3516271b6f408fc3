import { assert, assertEquals, assertNotMatch } from "@std/assert";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { WRONG_INPUTS, type WrongInput } from "./wrong_inputs.ts";

/** Output for each invalid input, below a line with its name. */
const MESSAGES = `${import.meta.dirname}/../fixtures/wrong_inputs.txt`;

const HEADING = /^### (.*)$/m;

/** Runs a wrong input in a directory of its own. */
async function messageOf(input: WrongInput): Promise<string> {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "plain.txt": "x\n",
    "dir/": "",
    "job/dir/": "",
    "loop.yaml": "-> loop.yaml",
    "huge.yaml": "#".repeat(1024 * 1024 + 1),
    ...input.files,
  });
  const latin1 = Array.from(
    "command: x\nname: caf\xe9\n",
    (character) => character.charCodeAt(0),
  );
  await Deno.writeFile(`${path}/latin1.yaml`, Uint8Array.from(latin1));
  await Deno.writeFile(
    `${path}/utf16.yaml`,
    new Uint8Array([0xff, 0xfe, 0x61, 0, 0x3a, 0]),
  );
  if (input.args.includes("pipe")) {
    await new Deno.Command("mkfifo", { args: [`${path}/pipe`] }).output();
  }
  const { code, stdout, stderr } = await runMain(
    input.args.split(" ").filter((word) => word !== ""),
    { cwd: path, env: input.env },
  );
  assertEquals(stdout, "");
  const text = stderr.replaceAll(path, "DIRECTORY").trimEnd();
  return `${text}\nexit code ${code}`;
}

Deno.test("each invalid input causes one message with its position and the allowed values", async () => {
  const [, ...parts] = (await Deno.readTextFile(MESSAGES)).split(HEADING);
  const expected = new Map<string, string>();
  for (let at = 0; at < parts.length; at += 2) {
    expected.set(parts[at], parts[at + 1].trim());
  }
  assert(Object.keys(WRONG_INPUTS).length >= 120);
  assertEquals([...expected.keys()], Object.keys(WRONG_INPUTS));
  for (const [name, input] of Object.entries(WRONG_INPUTS)) {
    const message = await messageOf(input);
    assertEquals(message, expected.get(name), name);
    assertNotMatch(message, /^\s+at |Error:|\[object|undefined/m, name);
  }
});
