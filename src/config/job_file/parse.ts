import { parse } from "@std/yaml/parse";
import { messageOf, osReason, RunnerError } from "../../errors.ts";
import { resolveMergeKeys } from "./merge_keys.ts";
import { DocumentNode } from "./node.ts";
import { type FileKind, JOB_FILE, type Problems } from "./problems.ts";

/** Largest file that is read, in bytes. */
const MAX_BYTES = 1024 * 1024;

/**
 * Reads the text of a job file, or of a file of another kind.
 *
 * @param path Absolute path of the file.
 * @param name Path as the user gave it, for messages.
 * @param kind What kind of file it is.
 * @returns The text.
 * @throws {RunnerError} With the code of the kind.
 */
export async function readJobText(
  path: string,
  name: string,
  kind: FileKind = JOB_FILE,
): Promise<string> {
  let reason: string;
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) reason = "it is not a file";
    else if (size > MAX_BYTES) reason = `it is larger than ${MAX_BYTES} bytes`;
    else return decodeText(await Deno.readFile(path));
  } catch (error) {
    reason = osReason(error);
  }
  throw unreadable(name, reason, kind);
}

/**
 * Parses the text of a file, YAML or JSON.
 *
 * @param text Text.
 * @param name Path as the user gave it, for messages.
 * @param problems Gathers what is wrong with the values.
 * @param kind What kind of file it is.
 * @returns The document.
 * @throws {RunnerError} With the code of the kind, if the text is no YAML.
 */
export function parseJobText(
  text: string,
  name: string,
  problems: Problems,
  kind: FileKind = JOB_FILE,
): DocumentNode {
  try {
    const written = parse(text, { schema: "failsafe" });
    problems.readFrom(written);
    const understood = parse(text, {
      schema: "core",
      allowDuplicateKeys: true,
    });
    if (!text.includes("<<")) {
      return new DocumentNode(written, understood, problems);
    }
    return new DocumentNode(
      resolveMergeKeys(written, {
        count: () => problems.count(),
        report: (path, problem) =>
          problems.add(path, () => `${keyText(path)} ${problem}`),
      }),
      resolveMergeKeys(understood, { count: () => {}, report: () => {} }),
      problems,
    );
  } catch (error) {
    if (error instanceof RunnerError) throw error;
    // The parser quotes the file, which may hold a secret: so does the error
    // itself, which is why it does not become the cause.
    const [reason] = messageOf(error).split("\n", 1);
    throw unreadable(name, reason.replace(/ ".*"| !?<.*>|:$/g, ""), kind);
  }
}

/** A merge key, or the member of its list, for a message. */
function keyText(path: readonly (string | number)[]): string {
  return path.slice(path.lastIndexOf("<<"))
    .map((key) => typeof key === "number" ? `[${key}]` : key).join("");
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8 text");
  }
}

function unreadable(
  name: string,
  reason: string,
  { words, code }: FileKind,
): RunnerError {
  return new RunnerError(`Cannot read ${words} "${name}": ${reason}`, { code });
}
