import { PERMISSION_TEXT } from "../errors.ts";

/**
 * Rewords the message of Deno for a denied permission, so that it names the
 * option of `runnerlib exec`. The function runs in the process of a pipeline, and
 * uses nothing from outside of itself.
 *
 * @param text Message of Deno.
 * @param cwd Directory in which the pipeline was started.
 * @returns The message.
 */
export function permissionText(text: string, cwd: string): string {
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

/**
 * Returns the option of `deno run` that loads {@linkcode permissionText} into a
 * pipeline, for errors that it does not catch and for those in its log.
 *
 * @param cwd Directory in which the pipeline is started.
 * @returns The option.
 */
export function permissionTextOption(cwd: string): string {
  const script = `
const reword = ${permissionText.toString()};
const cwd = ${JSON.stringify(cwd)};
globalThis[Symbol.for(${JSON.stringify(PERMISSION_TEXT.description)})] =
  (text) => reword(text, cwd);
const improve = (error) => {
  for (let depth = 0; error instanceof Error && depth < 20; depth++) {
    if (error instanceof Deno.errors.NotCapable) {
      error.message = reword(error.message, cwd);
    }
    error = error.cause;
  }
};
addEventListener("error", (event) => improve(event.error));
addEventListener("unhandledrejection", (event) => improve(event.reason));
`;
  return `--preload=data:text/javascript,${encodeURIComponent(script)}`;
}
