import { Variable } from "../environment/variables.ts";
import { messageOf } from "../errors.ts";
import type { Registration } from "../secrets/registration/server.ts";
import { temporaryParents } from "../workspace/temporary.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Opens the socket at which the job's programs register secrets.
 *
 * @param parts The context of the runner.
 * @returns The socket; `undefined`, after a warning, if it cannot be opened:
 * registering a secret then fails.
 */
export async function openJobRegistration(
  parts: RunnerParts,
): Promise<Registration | undefined> {
  const { host, workspace, masker, logger } = parts;
  const { openRegistration } = await import(
    "../secrets/registration/server.ts"
  );
  const warn = (message: string) => logger.warn("secrets", message);
  const outerSocket = host.env[Variable.secretsSocket] || undefined;
  let hasShort = false;
  try {
    return openRegistration({
      parents: temporaryParents({ env: host.env, workspace }),
      mask: (value) => void masker.add(value),
      outerSocket,
      async onRegister(values) {
        for (const value of values) {
          if (masker.add(value) || hasShort) continue;
          hasShort = true;
          warn("A registered secret is too short to mask");
        }
        if (outerSocket === undefined) return;
        const { passSecretsOn } = await import(
          "./register_with_outer_runners.ts"
        );
        await passSecretsOn(parts, values);
      },
      onWarning: warn,
    });
  } catch (error) {
    // A pipeline is started without the permission on purpose.
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
