/**
 * The command line: `deno run -A jsr:@reactorcide/runnerlib/cli run …`.
 *
 * It ends with the exit code of the job, with 1 for errors, and with 2 for
 * wrong usage.
 *
 * @module
 */
import { dropPermissions, main } from "./src/cli/main.ts";
import { type Host, printStartError, processHost } from "./src/host.ts";
import { closeFilesOnExec } from "./src/process/inherited_files.ts";

if (import.meta.main) {
  // Needs native code, for which most commands drop the permission.
  closeFilesOnExec();
  dropPermissions(Deno.args);
  Deno.exit(await main(Deno.args, hostOrExit()));
}

/** Without the permission to read the environment, nothing works. */
function hostOrExit(): Host {
  try {
    return processHost({ isCommandLine: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    printStartError(error.message);
    Deno.exit(1);
  }
}
