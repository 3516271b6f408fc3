import { Variable } from "../environment/variables.ts";
import { booleanVariable } from "../boolean.ts";
import { defaultLayer, environmentLayer } from "../config/settings.ts";
import type { Layer } from "../config/settings.ts";
import type { JobRun } from "./job_run.ts";

/**
 * Lays all sources of the configuration over one another: defaults, a job
 * file, environment variables, and what the caller says. The masker is filled
 * with what is secret in them, before anybody looks at what they say.
 *
 * @param run The run, which receives the settings and the steps of the file.
 * @param layer What the caller says.
 * @param jobFile Path of the job file, if there is one.
 * @throws {RunnerError} `invalid-job-file`.
 */
export async function resolveSettings(
  run: JobRun,
  layer: Layer,
  jobFile: string | undefined,
): Promise<void> {
  const { settings, parts: { host } } = run;
  settings.add(defaultLayer());
  try {
    if (jobFile !== undefined) {
      const { readJobFile } = await import("../config/job_file.ts");
      const path = jobFile.startsWith("/") ? jobFile : `${host.cwd}/${jobFile}`;
      const { layer, steps } = await readJobFile(path, jobFile);
      settings.add(layer);
      run.steps = steps;
    }
  } finally {
    settings.add(environmentLayer(host.env));
    settings.add(layer);
    // Also when the job file is wrong: nothing is printed before.
    run.fillMasker();
  }
  // Removing the credentials is too late to report an invalid word.
  booleanVariable(host.env, Variable.vcsAuthCleanup, {
    acceptsWorkerWords: true,
  });
}
