import { findCycle, linkNodes } from "../graph_scheduler.ts";
import { didYouMean, listed, suggest } from "../suggest.ts";
import type { DocumentNode } from "./document.ts";

/** A job or step of a file, and its dependencies. */
export interface NamedNode {
  /** Its name. */
  readonly name: string;
  /** Names of its dependencies. */
  readonly dependsOn: readonly string[];
  /** Its node in the file. */
  readonly node: DocumentNode;
}

/** Maximum number of names in the text about a cycle. */
const MAX_SHOWN = 10;

/** Keys of dependencies. */
const DEPENDENCY_KEYS: readonly string[] = ["depends_on", "needs"];

/**
 * Reports duplicate names, unknown dependencies and cycles, which would make
 * jobs or steps wait forever.
 *
 * @param members Jobs or steps that are defined together.
 * @param kind What the members are called in messages.
 */
export function reportGraphProblems(
  members: readonly NamedNode[],
  kind: "job" | "step",
): void {
  const places = new Map<string, number>();
  members.forEach(({ name, node }, at) => {
    const first = places.get(name);
    if (first === undefined) places.set(name, at);
    else {
      const { node: other } = members[first];
      findNameNode(node).explain(
        () => `${node.label} has the same name as the ${kind} at`,
        findNameNode(other),
      );
    }
  });
  const cycle = findCycle(linkNodes(members.map((member) => {
    const { name: group, dependsOn } = member;
    const known = dependsOn.filter((name) => places.has(name));
    for (const name of dependsOn) {
      if (!places.has(name)) {
        reportUnknownDependency(member, name, places.keys(), kind);
      }
    }
    return { group, dependsOn: known };
  })));
  if (cycle === undefined) return;
  const [first, second = first] = cycle;
  const { node } = members[places.get(first)!];
  (findDependencyNode(node, second) ?? node).explain(() =>
    `${node.label} ${cycleText(cycle)}`
  );
}

/**
 * Describes a cycle.
 *
 * @param names Names, each depending on the next and the last on the first.
 * @returns Text such as `waits for itself: a → b → a`, which follows the name.
 */
export function cycleText(names: readonly string[]): string {
  const hiddenCount = names.length - MAX_SHOWN;
  const shown = names.slice(0, MAX_SHOWN);
  if (hiddenCount > 0) shown.push(`(${hiddenCount} more)`);
  return `waits for itself: ${[...shown, names[0]].join(" → ")}`;
}

function reportUnknownDependency(
  { node }: NamedNode,
  name: string,
  known: Iterable<string>,
  kind: string,
): void {
  const place = findDependencyNode(node, name) ?? node;
  place.explain(() => {
    const names = [...known];
    const near = suggest(name, names);
    return `${place.label} refers to ${
      JSON.stringify(name)
    }, which is not a ${kind}` +
      (near === undefined
        ? `; the ${names.length === 1 ? `only ${kind} is` : `${kind}s are`} ${
          quoteNames(names)
        }`
        : didYouMean(near));
  });
}

/** Maximum number of names that a message lists. */
const MAX_NAMES = 10;

function quoteNames(names: readonly string[]): string {
  const quoted = names.map((name) => JSON.stringify(name.slice(0, 50)));
  return listed(quoted, MAX_NAMES);
}

/**
 * Reads the dependencies of an entry, even if other parts of it are invalid.
 */
export function readDependencies(node: DocumentNode): string[] {
  return (node.entries ?? [])
    .filter(([key]) => DEPENDENCY_KEYS.includes(key))
    .flatMap(([, value]) => listNameNodes(value))
    .flatMap(({ text }) => text ?? []);
}

/** Lists the names in a dependency, a list, or mappings with the key `job`. */
function listNameNodes(value: DocumentNode): DocumentNode[] {
  return [value, ...value.items ?? []].flatMap((one) => [
    one,
    ...(one.entries ?? []).filter(([key]) => key === "job")
      .map(([, name]) => name),
  ]);
}

/** Finds the value of the key `name`, or the entry itself if its key is the name. */
function findNameNode(node: DocumentNode): DocumentNode {
  return node.entries?.find(([key, value]) =>
    key === "name" && typeof node.key === "number" && value.text !== undefined
  )?.[1] ?? node;
}

/**
 * Finds the node that names a dependency; `undefined` if it is in another file,
 * whose positions are unknown here.
 */
function findDependencyNode(
  node: DocumentNode,
  name: string,
): DocumentNode | undefined {
  for (const [key, value] of node.entries ?? []) {
    if (key === "job") {
      const found = findDependencyNode(value, name);
      if (found !== undefined) return found;
    }
    if (!DEPENDENCY_KEYS.includes(key)) continue;
    const found = listNameNodes(value).find((entry) => entry.text === name);
    if (found !== undefined) return found;
  }
  return undefined;
}
