import { decodeUtf8, joinBytes } from "../bytes.ts";
import { Variable } from "../environment/variables.ts";
import { osReason } from "../errors.ts";
import type { Host } from "../host.ts";
import { LINE_FEED } from "../output/line_limit.ts";
import type { CommandContext, Flag } from "./command.ts";
import { usageError } from "./parse_arguments.ts";

/** Maximum size of standard input, in bytes. */
const MAX_INPUT_BYTES = 1024 * 1024;

/** Options for {@linkcode readText}. */
export interface ReadTextOptions {
  /** Maximum number of bytes to read. */
  limit: number;
  /**
   * Whether to stop after the first line, even if the stream stays open.
   *
   * @default {false}
   */
  firstLine?: boolean;
}

/**
 * Reads a stream as text, and closes it.
 *
 * @returns The text, or its first line without the newline; `undefined` if it
 * is too long or not UTF-8.
 */
export async function readText(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  options: ReadTextOptions,
): Promise<string | undefined> {
  const { limit, firstLine = false } = options;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const end = firstLine ? chunk.indexOf(LINE_FEED) : -1;
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    size += chunks.at(-1)!.length;
    if (size > limit) return undefined;
    if (end >= 0) break;
  }
  const text = decodeUtf8(joinBytes(chunks));
  return firstLine ? text?.replace(/\r$/, "") : text;
}

/**
 * Reads standard input to its end.
 *
 * @param command Command whose help the error mentions.
 * @throws {RunnerError} `usage` if standard input is missing, or it is not
 * UTF-8 text of up to 1 MiB.
 */
export async function readStandardInput(
  { stdin }: Host,
  command: string,
): Promise<string> {
  const text = stdin &&
    await readText(stdin.readable, { limit: MAX_INPUT_BYTES });
  if (text !== undefined) return text;
  throw usageError(
    `Standard input must be UTF-8 text of up to ${MAX_INPUT_BYTES} bytes`,
    command,
  );
}

/** Maximum length of a password from a file descriptor, in bytes. */
const MAX_PASSWORD_LENGTH = 4_096;

/** Option for the source of the password. */
export const PASSWORD_FD_FLAG: Flag = {
  name: "password-fd",
  valueName: "N",
  help: "Read the password from the first line of file descriptor N",
};

/**
 * Checks whether the password is read from standard input.
 *
 * @returns Whether nothing else can be read from standard input.
 */
export function isPasswordOnStdin({ flags }: CommandContext): boolean {
  return flags.get(PASSWORD_FD_FLAG.name) === "0";
}

/**
 * Reads the password of the store from the file descriptor of `--password-fd`,
 * from the environment, or from a prompt.
 *
 * @param isNew Whether it is a new password, which has to be typed twice.
 * @returns The password, which is masked from now on.
 * @throws {RunnerError} `usage` if the password is missing or invalid.
 */
export async function readPassword(
  context: CommandContext,
  isNew: boolean,
): Promise<string> {
  const { flags, runner: { host, masker } } = context;
  const fd = flags.get(PASSWORD_FD_FLAG.name);
  const supplied = typeof fd === "string"
    ? await readDescriptor(host, fd)
    : host.env[Variable.secretsPassword];
  // An empty variable counts as unset.
  const password = supplied || await promptFor(host, "Password:");
  if (!password) {
    throw usageError(
      `A password is required: set ${Variable.secretsPassword}, use --password-fd, or type it at a terminal`,
      "secrets",
    );
  }
  masker.add(password);
  if (isNew && !supplied && await promptFor(host, "Again:") !== password) {
    throw usageError("The two passwords differ", "secrets");
  }
  return password;
}

/**
 * Prompts for a line without echoing it.
 *
 * The question is printed on standard output, which must be a terminal.
 * Otherwise, it would become part of the command's output.
 *
 * @returns The line; `undefined` without a terminal.
 */
export async function promptFor(
  { stdin, stdout }: Host,
  question: string,
): Promise<string | undefined> {
  if (!stdin?.isTerminal() || !stdout.isTerminal()) return undefined;
  const { promptSecret } = await import("@std/cli/prompt-secret");
  // Asterisks would reveal the length.
  return promptSecret(question, { mask: "" }) ?? undefined;
}

async function readDescriptor(host: Host, fd: string): Promise<string> {
  if (!/^(0|[3-9]|[1-9]\d{1,4})$/.test(fd)) {
    // The value may be the password itself, so it is not quoted.
    throw usageError(
      "Option --password-fd needs the number of a file descriptor that is open for reading",
      "secrets",
    );
  }
  const stream = fd === "0" ? host.stdin?.readable : await openDescriptor(fd);
  const line = stream &&
    await readText(stream, { limit: MAX_PASSWORD_LENGTH, firstLine: true });
  // The descriptor may belong to a file of the runtime, whose content must not
  // become the password of a new store.
  if (line === undefined || line === "" || /\p{Cc}/u.test(line)) {
    throw usageError(
      `Cannot read the password from file descriptor ${fd}: no line of text`,
      "secrets",
    );
  }
  return line;
}

async function openDescriptor(
  fd: string,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  try {
    return (await Deno.open(`/dev/fd/${fd}`)).readable;
  } catch (cause) {
    throw usageError(
      `Cannot read the password from file descriptor ${fd}: ${osReason(cause)}`,
      "secrets",
    );
  }
}
