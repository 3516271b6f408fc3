import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SecretStore } from "../../src/secrets/store/store.ts";
import { addSecrets } from "../../src/secrets/store/store_table.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const PASSWORD = "correct horse battery";

/**
 * Creates a store in the configuration directory of a test, and returns the
 * options of a run.
 */
async function storeBelow(path: string): Promise<Record<string, string>> {
  const store = new SecretStore({
    directory: `${path}/config/reactorcide/secrets`,
    password: () => PASSWORD,
  });
  await store.init();
  await store.update((table) =>
    addSecrets(table, "prod/db", [["PASSWORD", "hunter2-hunter2"]])
  );
  return {
    XDG_CONFIG_HOME: `${path}/config`,
    REACTORCIDE_SECRETS_PASSWORD: PASSWORD,
    STAGE: "prod",
  };
}

describe("runnerlib run resolves references", () => {
  it("of the job file, masks the secrets and does not pass on the password", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job.yaml":
        'command: echo $URL; printf %s "$URL" > url; printenv REACTORCIDE_SECRETS_PASSWORD || echo none\n' +
        "environment:\n" +
        "  URL: pg://me:${secret:${env:STAGE}/db:PASSWORD}@${env:NO_HOST}/x\n",
    });
    const { code, stdout, stderr } = await runMain(
      ["run", "--job-file", "job.yaml", "--secret-env-names", ""],
      { cwd: path, env: await storeBelow(path) },
    );
    assertEquals(
      [code, stdout],
      [0, "pg://me:[REDACTED]@/x\nnone\n"],
      stderr,
    );
    assertEquals(
      await Deno.readTextFile(`${path}/url`),
      "pg://me:hunter2-hunter2@/x",
    );
  });

  it("and runs nothing when a secret is missing", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { code, stdout, stderr } = await runMain([
      ...["run", "--job-command", "echo ran", "--job-env"],
      "A=${secret:prod/db:NONE}\nB=${secret:prod/db:PASSWORD}",
    ], { cwd: path, env: await storeBelow(path) });
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(
      stderr,
      `"A": no value for key "NONE" of path "prod/db"`,
    );
    assertEquals(stderr.includes("hunter2"), false, stderr);
  });

  it("and needs no store when there are none", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await runMain([
      ...["run", "--secret-env-names", "", "--job-command", "echo $A"],
      ...["--job-env", "A=${secret:-default} ${env:NO_HOST}."],
    ], { cwd: directory.path });
    assertEquals([code, stdout], [0, "${secret:-default} .\n"]);
    assertStringIncludes(
      stderr,
      "[secrets] warning: A: ${env:NO_HOST} is empty, because NO_HOST is not set",
    );
  });
});
