import { Variable } from "../environment/variables.ts";
import { messageOf } from "../errors.ts";
import { temporaryParents } from "../fs/temporary_directory.ts";
import {
  openRegistration,
  type Registration,
} from "../secrets/registration/server.ts";
import type { RunnerContext } from "./runner_context.ts";

/**
 * Opens the socket for programs of the job to register secrets.
 *
 * @param onSecret Called when values are registered.
 * @returns The socket; `undefined`, after a warning, if it cannot be opened.
 * Registering a secret then fails.
 */
export function openJobRegistration(
  runner: RunnerContext,
  onSecret: () => void = () => {},
): Registration | undefined {
  const { host, workspace, masker, logger } = runner;
  const warn = (message: string) => logger.warn("secrets", message);
  const outerSocket = host.env[Variable.secretsSocket] || undefined;
  let isShortLogged = false;
  try {
    return openRegistration({
      parents: temporaryParents({ env: host.env, workspace }),
      mask: (value) => void masker.add(value),
      outerSocket,
      async onRegister(values) {
        onSecret();
        for (const value of values) {
          if (masker.add(value) || isShortLogged) continue;
          isShortLogged = true;
          warn("A registered secret is too short to mask");
        }
        if (outerSocket === undefined) return;
        const { forwardSecrets } = await import(
          "../secrets/registration/outer_runners.ts"
        );
        // This runner masks the output of the job's programs in any case.
        await forwardSecrets(runner, values).catch((error) =>
          warn(
            `The outer runner does not mask a secret of the job: ${
              messageOf(error)
            }`,
          )
        );
      },
      onWarning: warn,
    });
  } catch (error) {
    // Users may run a pipeline without the permission on purpose.
    if (isDenied(error)) logger.debug("secrets", messageOf(error));
    else warn(messageOf(error));
    return undefined;
  }
}

function isDenied(error: unknown): boolean {
  const { cause } = error as Error;
  return cause instanceof AggregateError &&
    cause.errors.some((one) => one instanceof Deno.errors.NotCapable);
}
