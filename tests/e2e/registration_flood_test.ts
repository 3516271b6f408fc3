import { assert, assertEquals } from "@std/assert";
import { REPOSITORY, runCli } from "../helpers/cli.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const COUNT = 1_000;

/**
 * Floods its output while it registers secrets, and prints each of them
 * afterwards.
 */
const PROGRAM = `
import { registerSecrets } from "${REPOSITORY}/src/secrets/registration/register_secrets.ts";
const print = (text) => {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
};
const path = Deno.env.get("REACTORCIDE_SECRETS_SOCKET");
for (let i = 0; i < ${COUNT}; i++) {
  const secret = "s3cr3t" + crypto.randomUUID().replaceAll("-", "x");
  const registered = registerSecrets(path, [secret]);
  print(("." + "flood".repeat(200) + "\\n").repeat(20));
  await registered;
  print("<" + i + ":" + secret + ">\\n");
}
`;

Deno.test("runnerlib run loses no output while 1,000 secrets are registered", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, { "flood.js": PROGRAM });
  const { code, stdout, stderr } = await runCli([
    "run",
    "--job-command",
    `'${Deno.execPath()}' run -A --no-check --config '${REPOSITORY}/deno.json' flood.js`,
  ], { cwd: path });
  assertEquals(code, 0, stderr);
  assert(!stdout.includes("s3cr3t"));
  const lines = `.${"flood".repeat(200)}\n`.repeat(20);
  const expected = Array.from(
    { length: COUNT },
    (_, i) => `${lines}<${i}:[REDACTED]>\n`,
  ).join("");
  assert(stdout === expected, `${stdout.length} of ${expected.length}`);
});
