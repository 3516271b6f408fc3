// Runs in the process of a pipeline before the pipeline. `settings` is
// prepended: the current directory, the file for the message of an error, and
// the variables to remove.
const { cwd, errorFile, removed } = settings;
for (const name of removed) Deno.env.delete(name);

/** Suggests the option of `runnerlib exec` instead of that of Deno. */
function rewordPermissionError(text) {
  return text.replace(
    /access to "([\s\S]*)", run again with the --allow-(\w+) flag/,
    (_, value, kind) => {
      const isPath = kind === "read" || kind === "write";
      const path = isPath && !value.startsWith("/") ? `${cwd}/${value}` : value;
      const grant = `${kind}=${path}`;
      const word = /^[\w@%+=:,./*-]+$/.test(grant)
        ? grant
        : `'${grant.replaceAll("'", "'\\''")}'`;
      return `access to "${value}", run again with --allow ${word}`;
    },
  ).replace(
    /run again with the --allow-(\w+) flag/,
    (_, kind) => `run again with --allow ${kind}=*`,
  );
}
// For messages that the library logs.
globalThis[Symbol.for("@reactorcide/runnerlib/permission_text")] =
  rewordPermissionError;

function rewordCauses(error) {
  for (let depth = 0; error instanceof Error && depth < 20; depth++) {
    if (error instanceof Deno.errors.NotCapable) {
      error.message = rewordPermissionError(error.message);
    }
    error = error.cause;
  }
}

/** Ends the pipeline, unless one of its own listeners prevents that. */
function exitWith({ message, exitCode }, event) {
  let isPrevented = false;
  event.preventDefault();
  // Listeners of the pipeline are called after this one.
  event.preventDefault = () => isPrevented = true;
  queueMicrotask(() => {
    if (isPrevented) return;
    try {
      Deno.writeTextFileSync(errorFile, message.slice(0, 100_000));
    } catch {
      // The disk may be full.
      console.error(message);
    }
    Deno.exit(exitCode || 1);
  });
}

function onError(event, error) {
  rewordCauses(error);
  const isRunnerError = error instanceof Error &&
    error.name === "RunnerError" && typeof error.code === "string";
  if (isRunnerError) exitWith(error, event);
}
addEventListener("error", (event) => onError(event, event.error));
addEventListener("unhandledrejection", (event) => onError(event, event.reason));
