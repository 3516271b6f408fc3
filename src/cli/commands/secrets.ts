import { Variable } from "../../environment/variables.ts";
import { secretsDirectory } from "../../secrets/store/lookup.ts";
import {
  SecretStore,
  type SecretStoreOptions,
} from "../../secrets/store/store.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { findAction } from "../find_action.ts";
import { usageError } from "../parse_arguments.ts";
import { PASSWORD_FD_FLAG, readPassword } from "../store_password.ts";
import {
  deleteSecret,
  getSecret,
  importEnv,
  initStore,
  listSecrets,
  type SecretAction,
  setSecret,
} from "../secret_actions.ts";

/** An action and the names of its operands; those in brackets are optional. */
interface ActionEntry {
  readonly operands: readonly string[];
  readonly run: SecretAction;
}

const ACTIONS: Readonly<Record<string, ActionEntry>> = {
  init: { operands: [], run: initStore },
  set: { operands: ["PATH", "KEY"], run: setSecret },
  get: { operands: ["PATH", "KEY"], run: getSecret },
  list: { operands: ["[PATH]"], run: listSecrets },
  delete: { operands: ["PATH", "KEY"], run: deleteSecret },
  "import-env": { operands: ["FILE", "PATH"], run: importEnv },
};

export const secretsCommand: CliCommand = {
  usage: "ACTION [OPTIONS]",
  description:
    `Keeps secrets in an encrypted store on this machine. Variables of a job refer
to them as \${secret:PATH:KEY}.

Actions:
  init                  Create the store
  set PATH KEY          Set a secret; the value comes from standard input or a
                        prompt
  get PATH KEY          Print a secret, unmasked
  list [PATH]           List the paths, or the keys of a path
  delete PATH KEY       Delete a secret
  import-env FILE PATH  Set a secret for each NAME=VALUE line of a file; "-" is
                        standard input

The password comes from --password-fd, from ${Variable.secretsPassword}, or from
a prompt. The password and secrets are never passed as arguments, because other
programs can see them and shells keep them in their history. The line break at
the end of a single-line secret is removed; a multi-line secret is kept as it is.`,
  examples: [
    ["secrets init", "Create the store"],
    ["secrets set demo/app API_TOKEN", "Set a secret; prompts for the value"],
  ],
  flags: [PASSWORD_FD_FLAG],
  // Extra operands may be secrets, so the error must not quote them.
  takesSecrets: true,
  actions: Object.keys(ACTIONS),
  maxOperands: Infinity,
  run: (context) => runSecretAction(context),
};

/**
 * Runs an action of the command.
 *
 * @param options Cost of deriving the key, for tests.
 * @returns Exit code.
 */
export async function runSecretAction(
  context: CommandContext,
  options: Pick<SecretStoreOptions, "cost"> = {},
): Promise<number> {
  const { operands: [name, ...operands], runner: { host, logger } } = context;
  const action = findAction(ACTIONS, name, {
    command: "secrets",
    isSecret: true,
  });
  checkOperands(name, action, operands);
  const store = new SecretStore({
    directory: secretsDirectory(host.env),
    password: () => readPassword(context, action.run === initStore),
    ...options,
  });
  await action.run(context, store, ...operands);
  await logger.flush();
  return 0;
}

function checkOperands(
  name: string,
  action: ActionEntry,
  operands: readonly string[],
): void {
  const most = action.operands.length;
  const least =
    action.operands.filter((operand) => !operand.startsWith("[")).length;
  if (name === "set" && operands.length > most) {
    throw usageError(
      "Secrets cannot be arguments, because other programs can see arguments and shells keep them in their history; use standard input",
      "secrets",
    );
  }
  if (operands.length < least || operands.length > most) {
    const usage = [name, ...action.operands].join(" ");
    throw usageError(
      `Wrong number of arguments; use "secrets ${usage}"`,
      "secrets",
    );
  }
}
