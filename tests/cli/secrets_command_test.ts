import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CATALOG } from "../../src/cli/commands.ts";
import {
  runSecretAction,
  secretsCommand,
} from "../../src/cli/commands/secrets.ts";
import { main } from "../../src/cli/main.ts";
import { parseArguments } from "../../src/cli/parse_arguments.ts";
import { RunnerError } from "../../src/errors.ts";
import { createRunnerContext } from "../../src/runner/runner_context.ts";
import type { CliResult } from "../helpers/cli.ts";
import { createMainHost, runMain } from "../helpers/run_main.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const PASSWORD = "correct horse battery";

/** Far below the real cost, which takes a second of computing. */
const COST = 2 ** 4;

interface SecretsOptions {
  stdin?: string;
  password?: string;
}

/** Runs an action on the store of a directory, with a key that is cheap to derive. */
async function secrets(
  cwd: string,
  args: readonly string[],
  { stdin = "", password = PASSWORD }: SecretsOptions = {},
): Promise<CliResult> {
  const host = createMainHost({
    cwd,
    stdin,
    env: {
      XDG_CONFIG_HOME: `${cwd}/config`,
      REACTORCIDE_SECRETS_PASSWORD: password,
    },
  });
  const runner = createRunnerContext(host);
  const print = (text: string) =>
    runner.stdout.write(new TextEncoder().encode(`${text}\n`));
  const parsed = parseArguments(args, "secrets", secretsCommand);
  try {
    const context = {
      ...parsed,
      runner,
      print,
      catalog: CATALOG,
      runProgram: main,
    };
    const code = await runSecretAction(context, { cost: COST });
    return { code, ...host.printed };
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    await runner.logger.flush();
    const stderr = `${host.printed.stderr}${error.message}\n`;
    return { code: error.exitCode, stdout: host.printed.stdout, stderr };
  }
}

describe("runnerlib secrets", () => {
  it("imports the lines of a file, all of them or none", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "good.env":
        `# comment\n\nA=alpha-value\nexport B = "two words" \r\nC=\nD='$x=#1'\nA=last\n`,
      "bad.env":
        `A=fine\nhunter2\nB.C=hunter2\nK="-----BEGIN\nhunter2==\n-----END"\n`,
    });
    const outputOf = async (args: string[], stdin = "") => {
      const { code, stdout, stderr } = await secrets(path, args, { stdin });
      assertEquals(code, 0, stderr);
      return [stdout, stderr];
    };
    await outputOf(["init"]);
    const [imported, warning] = await outputOf([
      "import-env",
      "good.env",
      "dev",
    ]);
    assertEquals(imported, 'Imported 3 secrets into "dev"\n');
    assertStringIncludes(warning, "C has no value and is skipped");
    assertEquals(
      (await outputOf(["import-env", "-", "dev"], "E=epsilon\n"))[0],
      'Imported 1 secret into "dev"\n',
    );
    assertEquals((await outputOf(["get", "dev", "A"]))[0], "last");
    assertEquals((await outputOf(["get", "dev", "D"]))[0], "$x=#1");
    const bad = await secrets(path, ["import-env", "bad.env", "dev"]);
    assertEquals([bad.code, bad.stdout], [1, ""]);
    assertEquals((await outputOf(["list", "dev"]))[0], "A\nB\nD\nE\n");
    assertStringIncludes(bad.stderr, `Cannot import "bad.env":`);
    for (const line of [2, 3, 4, 6]) {
      assertStringIncludes(bad.stderr, `  line ${line} has `);
    }
    assertEquals(bad.stderr.includes("hunter2"), false, bad.stderr);
  });

  it("reports a wrong password or name, and shows no secret", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    assertEquals((await secrets(path, ["init"])).code, 0);
    const wrong: [
      args: string[],
      options: SecretsOptions,
      code: number,
      message: string,
    ][] = [
      [
        ["list"],
        { password: "hunter2-hunter2" },
        1,
        `secrets.enc": the password is wrong or the store was changed`,
      ],
      [
        ["list"],
        { password: "" },
        2,
        "A password is required: set REACTORCIDE_SECRETS_PASSWORD",
      ],
      [["init"], {}, 1, `": it already contains one`],
      [["get", "a", "b"], {}, 1, `Cannot get "a:b": no such secret`],
      [["delete", "a", "b"], {}, 1, `Cannot delete "a:b": no such secret`],
      [["list", "a"], {}, 1, `Cannot list "a": no such path`],
    ];
    for (const [args, options, code, message] of wrong) {
      const result = await secrets(path, args, options);
      assertEquals([result.code, result.stdout], [code, ""], message);
      assertStringIncludes(result.stderr, message);
      const isShown = /hunter2|correct horse/.test(result.stderr);
      assertEquals(isShown, false, result.stderr);
    }
  });
});

describe("runnerlib secrets refuses", () => {
  it("incorrect usage before it prompts for a password, without printing values", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const uses: [args: string[], message: string][] = [
      [[], "An action is required: init, set, get, list"],
      [["sett", "a", "b"], `Unknown action; did you mean "set"?`],
      [["set", "a"], `use "secrets set PATH KEY"`],
      [["set", "a", "b", "hunter2"], "Secrets cannot be arguments"],
      [["set", "a", "b", "my", "hunter2"], "Secrets cannot be arguments"],
      [["get", "a", "b", "hunter2"], `use "secrets get PATH KEY"`],
      [["set", "hunter2!", "b"], "A path consists of letters"],
      [["set", "a", "hunter2!"], "A key consists of letters"],
      [["set", "a", "b", "--password=hunter2"], "Unknown option"],
      [["init", "--password-fd=hunter2"], "the number of a file descriptor"],
      [
        ["set", "a", "b", "--password-fd", "0"],
        "Standard input cannot contain both",
      ],
      [["import-env", "-", "a", "--password-fd", "0"], "cannot contain both"],
      [["init", "--password-fd", "1"], "the number of a file descriptor"],
      [["init"], "A password is required"],
    ];
    const store = "config/reactorcide/secrets";
    await makeFiles(path, { [`${store}/.salt`]: "\0".repeat(32) });
    for (const [args, message] of uses) {
      const { code, stdout, stderr } = await runMain(["secrets", ...args], {
        cwd: path,
        env: { XDG_CONFIG_HOME: `${path}/config` },
        stdin: "",
      });
      assertEquals([code, stdout], [2, ""], message);
      assertStringIncludes(stderr, message);
      assertEquals(stderr.includes("hunter2"), false, stderr);
    }
    assertEquals(await exists(`${path}/${store}/secrets.enc`), false);
  });

  it("values that cannot be secrets", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const required = "A secret is required on standard input";
    const inputs: [stdin: string | Uint8Array<ArrayBuffer>, message: string][] =
      [
        ["", required],
        ["\n", required],
        ["x\0y", required],
        [Uint8Array.of(0xff), "must be UTF-8 text"],
      ];
    for (const [stdin, message] of inputs) {
      const { code, stderr } = await runMain(["secrets", "set", "a", "b"], {
        cwd: path,
        env: {
          XDG_CONFIG_HOME: `${path}/config`,
          REACTORCIDE_SECRETS_PASSWORD: PASSWORD,
        },
        stdin,
      });
      assertEquals(code, 2, message);
      assertStringIncludes(stderr, message);
    }
  });
});
