import { childEnvironment } from "../../environment/child_environment.ts";
import type { Host } from "../../host.ts";
import { confinedCommand } from "../../plugins/sandbox/confinement.ts";
import { findDeno, findOnPath } from "../../plugins/sandbox/find_deno.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { capture } from "../../process/capture.ts";
import type { Finding } from "./finding.ts";

/**
 * Checks whether the kernel confines the processes of plugins.
 *
 * @param host The process.
 * @returns What was found.
 */
export async function findConfinement(host: Host): Promise<Finding> {
  const isThere = Deno.build.os === "linux" && await isConfined(host);
  return {
    state: isThere ? "ok" : "missing",
    name: "landlock",
    detail: "",
    purpose: "plugins, against links that are swapped while they run",
  };
}

async function isConfined(host: Host): Promise<boolean> {
  try {
    const command = confinedCommand(
      ["/bin/sh", "-c", ":"],
      { read: ["/"], write: ["/"], env: {} },
      {
        deno: await findDeno(host.env),
        perl: await findOnPath("perl", host.env),
      },
    );
    const { exitCode, stdout } = await capture(command, {
      cwd: host.cwd,
      env: childEnvironment(host.env, { kind: "tool" }),
      cancellation: new Cancellation(),
    });
    return exitCode === 0 && stdout === "";
  } catch {
    // Without a program that asks the kernel, there is no confinement.
    return false;
  }
}
