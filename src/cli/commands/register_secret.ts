import { Variable } from "../../environment/variables.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { registerSecrets } from "../../secrets/registration/register_secrets.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

export const registerSecretCommand: CliCommand = {
  usage: "[OPTIONS] [SECRET…] [-] [-- SECRET…]",
  description:
    `Masks secrets in all output of the running job from now on. Call it from
the command of the job.

With "-", each line of standard input is a secret; white space around it is
removed. Unlike arguments, standard input is not visible to other programs.
Arguments after "--" are taken literally.`,
  examples: [
    ["register-secret - < token.txt", "Mask each line of a file"],
    ['register-secret -- "$TOKEN"', "Mask the value of a variable"],
  ],
  flags: [
    {
      name: "socket",
      valueName: "PATH",
      help: `Socket of the job's runner (${Variable.secretsSocket})`,
    },
  ],
  maxOperands: Infinity,
  takesRest: true,
  takesSecrets: true,
  async run(context) {
    const { operands, rest = [], runner, print } = context;
    if (operands.length + rest.length === 0) {
      throw usageError("A secret is required", "register-secret");
    }
    const path = findSocket(context);
    const values = await readValues(context);
    // No message of this command must contain a secret.
    for (const value of values) runner.masker.add(value);
    const count = await registerSecrets(path, values);
    if (count > 0) {
      await print(`Registered ${count} ${count === 1 ? "secret" : "secrets"}`);
    } else {
      runner.logger.warn("secrets", "Nothing to register");
    }
    await runner.logger.flush();
    return 0;
  },
};

function findSocket({ flags, runner }: CommandContext): string {
  const path = flags.get("socket") ?? runner.host.env[Variable.secretsSocket];
  if (typeof path === "string" && path !== "") return path;
  throw new RunnerError(
    `Cannot register secrets: neither --socket nor ${Variable.secretsSocket} is set`,
    { code: "invalid-config" },
  );
}

async function readValues(context: CommandContext): Promise<string[]> {
  const { operands, rest = [] } = context;
  const values = [...operands.filter((operand) => operand !== "-"), ...rest];
  if (operands.includes("-")) values.push(...await readLines(context));
  return values;
}

async function readLines({ runner }: CommandContext): Promise<string[]> {
  const { stdin } = runner.host;
  // Invalid UTF-8 must not be replaced: a different value would be masked.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  try {
    if (stdin === undefined) throw new Error("the host has no standard input");
    for await (const bytes of stdin.readable) {
      text += decoder.decode(bytes, { stream: true });
    }
    text += decoder.decode();
    return text.split(/\r\n?|\n/).map((line) => line.trim())
      .filter((line) => line !== "");
  } catch (cause) {
    throw new RunnerError(
      `Cannot read secrets from standard input: ${messageOf(cause)}`,
      { code: "invalid-config", cause },
    );
  }
}
