import type { KeyParts } from "../../cache/step_entry.ts";

/** Maximum number of changes that are named. */
const MAX_LISTED = 50;

/** Descriptions of parts that have only a kind. */
const FACTS: Readonly<Record<string, string>> = {
  architecture: "the architecture",
  command: "the command",
  directory: "the working directory",
  image: "the image of the container",
  outputs: "the patterns of outputs",
  permissions: "the permissions",
  runner: "the version of the runner",
  shell: "the shell",
  system: "the system",
  trust: "whether the step is trusted",
};

/** Descriptions of the kinds of parts that also have a name. */
const KINDS: Readonly<Record<string, string>> = {
  "variable": "variable",
  "tool": "output of command",
  "need": "result of step",
  "service": "service",
  "need output": "output",
  "need files": "files of step",
};

/** Facts whose values are shown. */
const SHOWN = ["architecture", "directory", "image", "runner", "system"];

/**
 * Describes the differences between two keys.
 *
 * @param before Parts of the earlier key.
 * @returns Descriptions such as `input "a.ts": content changed`.
 */
export function keyChanges(before: KeyParts, now: KeyParts): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((name) => before[name] !== now[name]).sort();
  const renamed = findRenames(names, before, now);
  const changes = names.flatMap((name) => {
    const input = inputName(name);
    if (input === undefined) {
      return [describePartChange(name, before[name], now[name])];
    }
    if (renamed.to.has(input)) return [];
    const to = renamed.from.get(input);
    const change = to === undefined
      ? describeInputChange(before[name], now[name])
      : `renamed to ${JSON.stringify(to)}`;
    return [`input ${JSON.stringify(input)}: ${change}`];
  });
  const more = changes.length - MAX_LISTED;
  return more <= 0
    ? changes
    : [...changes.slice(0, MAX_LISTED), `${more} more changes`];
}

/** Returns the path of the file that a part describes. */
export function inputName(name: string): string | undefined {
  return name.startsWith("input:") ? name.slice("input:".length) : undefined;
}

/** Finds files that are gone, and new ones that are the same. */
function findRenames(
  names: readonly string[],
  before: KeyParts,
  now: KeyParts,
): { from: ReadonlyMap<string, string>; to: ReadonlySet<string> } {
  const added = new Map<string, string[]>();
  for (const name of names) {
    const input = inputName(name);
    if (input === undefined || before[name] !== undefined) continue;
    added.set(now[name], [...added.get(now[name]) ?? [], input]);
  }
  const from = new Map<string, string>();
  for (const name of names) {
    const input = inputName(name);
    if (input === undefined || now[name] !== undefined) continue;
    const to = added.get(before[name])?.shift();
    if (to !== undefined) from.set(input, to);
  }
  return { from, to: new Set(from.values()) };
}

function describeInputChange(
  before: string | undefined,
  now: string | undefined,
): string {
  if (before === undefined) return "new";
  if (now === undefined) return "removed";
  const [oldType, oldMode, oldHash] = before.split(" ");
  const [type, mode, hash] = now.split(" ");
  if (oldType !== type) return `was a ${oldType}, is a ${type}`;
  if (type === "link") {
    return parseLinkTarget(before) === parseLinkTarget(now)
      ? "the file that it links to changed"
      : `links to ${parseLinkTarget(now)} instead of ${
        parseLinkTarget(before)
      }`;
  }
  const changes = [
    ...oldHash === hash ? [] : ["content changed"],
    ...oldMode === mode ? [] : [`mode changed from ${oldMode} to ${mode}`],
  ];
  return changes.join(", ");
}

/** The target is a JSON string, which may contain spaces. */
function parseLinkTarget(description: string): string {
  return /^link ("(?:[^"\\]|\\.)*")/.exec(description)?.[1] ?? "";
}

function describePartChange(
  name: string,
  before: string | undefined,
  now: string | undefined,
): string {
  const colon = name.indexOf(":");
  const kind = colon === -1 ? undefined : KINDS[name.slice(0, colon)];
  const subject = kind === undefined
    ? FACTS[name] ?? name
    : `${kind} ${JSON.stringify(name.slice(colon + 1))}`;
  if (kind !== undefined && before === undefined) return `${subject}: new`;
  if (kind !== undefined && now === undefined) return `${subject}: removed`;
  const values = SHOWN.includes(name)
    ? ` from ${JSON.stringify(before)} to ${JSON.stringify(now)}`
    : "";
  return `${subject}${kind === undefined ? "" : ":"} changed${values}`;
}
