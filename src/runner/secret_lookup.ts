import type { JobConfig } from "../config/job_config.ts";
import type { Settings } from "../config/settings.ts";
import { visibleToJobs } from "../environment/child_environment.ts";
import { isInside } from "../job_path.ts";
import { findOption } from "../options/options.ts";
import {
  readProviders,
  type SecretProviders,
} from "../secrets/providers/provider_definition.ts";
import { providerLookup } from "../secrets/providers/provider_lookup.ts";
import { createRequest } from "../secrets/providers/provider_request.ts";
import {
  referenceTo,
  resolveReferences,
  type SecretLookup,
} from "../secrets/references.ts";
import { storeLookup } from "../secrets/store/lookup.ts";
import type { Step } from "../steps/step.ts";
import type { RunState } from "./run_state.ts";
import type { RunnerContext } from "./runner_context.ts";

/** State of a run that secrets are resolved for. */
export type SecretsRun =
  & Pick<RunState, "runner" | "secrets" | "settings" | "cancellation">
  & Partial<Pick<RunState, "isDryRun" | "secretLookup">>;

/**
 * Creates the function that looks up secrets of a run, in the store or with a
 * provider. Definitions are read when the first secret of a provider is looked
 * up. In a dry run, no provider is called, and the reference is used as the
 * value.
 */
export function secretLookup(run: SecretsRun): SecretLookup {
  const { runner, settings, cancellation, isDryRun } = run;
  const { host, masker, workspace, logger } = runner;
  const stored = storeLookup(host.env);
  let providers: Promise<SecretProviders> | undefined;
  const openProviders = async () => {
    const read = await (providers ??= configuredProviders(settings, runner));
    return providerLookup(read, {
      env: host.env,
      workspace: workspace.base,
      untrusted: untrustedDirectories(runner),
      cancellation,
      onSecret: (name, value) =>
        run.secrets.add([{ name, value, rule: "reference" }]),
      mask: (text) => masker.maskText(text),
    });
  };
  let lookUp: ReturnType<typeof openProviders> | undefined;
  return async (path, key, name) => {
    if (name === undefined) return await stored(path, key);
    if (!isDryRun) {
      return await (await (lookUp ??= openProviders()))(name, path, key);
    }
    const read = await (providers ??= configuredProviders(settings, runner));
    createRequest(read, name, path, key);
    logger.info(
      "dry-run",
      `Would get key "${key}" of path "${path}" from secret provider "${name}"`,
    );
    return referenceTo(path, key, name);
  };
}

/**
 * Reads the configured secret providers.
 *
 * @throws {RunnerError} `invalid-config`, with all problems.
 */
export async function configuredProviders(
  settings: Settings,
  { host: { cwd }, workspace }: Pick<RunnerContext, "host" | "workspace">,
): Promise<SecretProviders> {
  const setting = settings.get("secret_providers");
  if (typeof setting?.value !== "string") return await readProviders(undefined);
  const { value, origin } = setting;
  // A job of a local workflow runs in another directory than its caller.
  const isVariable = origin === findOption("secret_providers")?.env?.name;
  return await readProviders({
    value,
    origin,
    cwd: isVariable ? undefined : cwd,
    workspace: workspace.base,
  });
}

/**
 * Checks the secret providers, and the references to their secrets, without
 * calling a provider or opening the store.
 *
 * @throws {RunnerError} `invalid-config`, if a provider is missing or cannot
 * contain a referenced secret.
 */
export async function checkProviders(
  settings: Settings,
  runner: Pick<RunnerContext, "host" | "workspace">,
  config: JobConfig,
): Promise<void> {
  const providers = await configuredProviders(settings, runner);
  const steps: readonly Step[] = config.steps ?? [];
  for (const variables of [config.env, ...steps.map(({ env = {} }) => env)]) {
    await resolveReferences(variables, {
      env: visibleToJobs(runner.host.env),
      lookup: (path, key, name) => {
        if (name !== undefined) createRequest(providers, name, path, key);
        return referenceTo(path, key, name);
      },
    });
  }
}

/**
 * Returns directories whose programs may belong to the tested code. The current
 * directory is one, unless the user's home is in it.
 */
export function untrustedDirectories(
  { host: { cwd, env } }: RunnerContext,
): string[] {
  const isOwn = cwd === "/" || env.HOME && isInside(cwd, env.HOME);
  return isOwn ? [] : [cwd];
}
