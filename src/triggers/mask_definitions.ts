import { OptionReader } from "../config/option_reader.ts";
import {
  defaultLayer,
  environmentLayer,
  Settings,
} from "../config/settings.ts";
import type { Environment } from "../environment/variables.ts";
import type { Host } from "../host.ts";
import {
  matchingSecrets,
  urlSecrets,
  withoutReferences,
} from "../secrets/collect.ts";
import type { Masker } from "../secrets/masker.ts";

/** The part of a runner that masks definitions. */
interface MaskingRunner {
  readonly masker: Masker;
  readonly host: Pick<Host, "env" | "cwd">;
}

/** Parts of a job definition that may contain secrets. */
export interface DefinedJob {
  /** Variables of the job. */
  readonly env?: Environment;
  /** Commands, and other texts that may contain URLs. */
  readonly texts: readonly (string | undefined)[];
}

/**
 * Masks the secrets in job definitions, which are found by the names of
 * variables and in URLs. Definitions are printed, or submitted to a coordinator
 * whose response may quote them.
 */
export function maskDefinitions(
  { masker, host: { env, cwd } }: MaskingRunner,
  jobs: readonly DefinedJob[],
): void {
  const settings = new Settings();
  settings.add(defaultLayer());
  settings.add(environmentLayer(env));
  const reader = new OptionReader(settings, { cwd });
  const patterns = reader.read("secret_env_patterns");
  for (const { env = {}, texts } of jobs) {
    const variables = withoutReferences(env);
    const secrets = [
      ...matchingSecrets(variables, patterns),
      ...urlSecrets({ ...variables, texts: texts.join("\n") }),
    ];
    for (const { value } of secrets) masker.add(value);
  }
}
