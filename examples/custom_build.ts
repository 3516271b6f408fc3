/**
 * A pipeline with a plugin of its own, which it trusts; the same file works in
 * a directory of plugins, in a process of its own.
 *
 * @module
 */
import { registerPlugin, runJob } from "@reactorcide/runnerlib";
import CustomBuildPlugin from "./plugins/plugin_custom_build.ts";

registerPlugin(new CustomBuildPlugin());

const { exitCode } = await runJob({
  command: "echo testing && echo building",
  artifactsDir: "/job/artifacts",
});
Deno.exit(exitCode);
