import type { Plugin, PluginContext } from "@reactorcide/runnerlib/plugins";

/** The plugin of the design document, in TypeScript. Needs no rights. */
export default class CustomBuildPlugin implements Plugin {
  readonly name = "custom_build";
  readonly priority = 50;

  supportedPhases(): ("pre_execution" | "post_execution")[] {
    return ["pre_execution", "post_execution"];
  }

  preExecution({ log }: PluginContext): void {
    log("Setting up custom build environment...");
  }

  postExecution({ exitCode, log }: PluginContext): void {
    if (exitCode === 0) log("Build succeeded! Uploading artifacts...");
  }
}
