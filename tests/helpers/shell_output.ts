import { pickVariables } from "./passed_variables.ts";

/** Returns the output of a shell for a script. */
export async function shellOutput(
  script: string,
  env: Record<string, string>,
): Promise<string> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", script],
    clearEnv: true,
    env: { ...pickVariables(["PATH"]), ...env, LC_ALL: "C.UTF-8" },
  }).output();
  return new TextDecoder().decode(stdout);
}
