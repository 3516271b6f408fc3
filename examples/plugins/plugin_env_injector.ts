import type { Plugin } from "@reactorcide/runnerlib/plugins";

/** Grant it with `--allow-plugin 'env_injector:env=BUILD_*'`. */
export const manifest = { permissions: { env: ["BUILD_*"] } };

/** Gives the command of a job variables that tell one build from another. */
const injector: Plugin = {
  name: "env_injector",
  preExecution({ env, config }) {
    env.BUILD_ID ??= crypto.randomUUID();
    env.BUILD_STARTED_AT = new Date().toISOString();
    env.BUILD_REF = config.get("source_ref") ?? "";
  },
};

export default injector;
