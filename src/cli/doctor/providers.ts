import type { Settings } from "../../config/settings.ts";
import { messageOf, osReason, RunnerError } from "../../errors.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import {
  configuredProviders,
  untrustedDirectories,
} from "../../runner/secret_lookup.ts";
import type { SecretProvider } from "../../secrets/providers/provider_definition.ts";
import {
  findProgram,
  trustedPath,
} from "../../secrets/providers/find_program.ts";
import type { Finding } from "./machine.ts";

/**
 * Checks whether the programs and directories of secret providers exist. No
 * provider is called.
 */
export async function findProviders(
  settings: Settings,
  runner: RunnerContext,
): Promise<Finding[]> {
  try {
    const providers = await configuredProviders(settings, runner);
    const configured = [...providers.values()]
      .filter(({ type }) => type !== "env");
    return await Promise.all(
      configured.map((provider) => findProvider(provider, runner)),
    );
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return [finding("needed", "secret_providers", "", messageOf(error))];
  }
}

async function findProvider(
  provider: SecretProvider,
  runner: RunnerContext,
): Promise<Finding> {
  const { name, type, directory, command } = provider;
  const purpose = `secrets \${secret:${name}:PATH:KEY}`;
  try {
    if (type === "file") {
      await Deno.stat(directory);
      return finding("ok", name, directory, purpose);
    }
    const { host: { env }, workspace: { base } } = runner;
    const path = await trustedPath(env.PATH, [
      base,
      ...untrustedDirectories(runner),
    ]);
    const program = await findProgram(command[0], path, base);
    return finding("ok", name, program, purpose);
  } catch (error) {
    const detail = type === "file" ? directory : command[0];
    const reason = error instanceof TypeError ? error.message : osReason(error);
    return finding("needed", name, detail, reason);
  }
}

function finding(
  state: Finding["state"],
  name: string,
  detail: string,
  purpose: string,
): Finding {
  return { state, name, detail, purpose };
}
