/** Key that merges other mappings into its own. */
const MERGE = "<<";

type Mapping = Record<string, unknown>;

/** Options for {@linkcode resolveMergeKeys}. */
export interface MergeKeysOptions {
  /** Counts a merged value; may throw. */
  count: () => void;
  /**
   * Called for each invalid merge key.
   *
   * @param path Keys and indexes from the document to the merge key.
   * @param problem What is wrong, phrased to follow the key.
   */
  report: (path: readonly (string | number)[], problem: string) => void;
}

/**
 * Resolves the merge keys (`<<`) of a parsed YAML document as PyYAML does: a
 * mapping, or a list of mappings, is merged into the mapping that contains the
 * key. Its own keys override merged ones, and earlier mappings of a list
 * override later ones.
 *
 * Values that aliases share stay shared, so the work is limited by the size of
 * the text and the number of merged keys.
 *
 * @param document Parsed document, which is not changed.
 * @returns Document without merge keys.
 */
export function resolveMergeKeys(
  document: unknown,
  options: MergeKeysOptions,
): unknown {
  const resolved = new Map<object, unknown>();
  /** Mappings whose merge keys are being resolved. */
  const open = new Set<object>();

  function resolve(
    value: unknown,
    path: readonly (string | number)[],
  ): unknown {
    if (typeof value !== "object" || value === null) return value;
    const known = resolved.get(value);
    if (known !== undefined) return known;
    const result: unknown[] | Mapping = Array.isArray(value) ? [] : {};
    // Must precede its members, since an alias may lead back here.
    resolved.set(value, result);
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) {
        (result as unknown[]).push(resolve(item, [...path, at]));
      }
      return result;
    }
    open.add(value);
    if (Object.hasOwn(value, MERGE)) {
      merge(result as Mapping, (value as Mapping)[MERGE], [...path, MERGE]);
    }
    open.delete(value);
    for (const [key, member] of Object.entries(value)) {
      if (key !== MERGE) define(result, key, resolve(member, [...path, key]));
    }
    return result;
  }

  function merge(
    target: Mapping,
    source: unknown,
    path: readonly (string | number)[],
  ): void {
    const mappings = Array.isArray(source) ? source : [source];
    // In reverse order, so that earlier mappings override later ones.
    for (const [at, mapping] of [...mappings.entries()].reverse()) {
      const place = Array.isArray(source) ? [...path, at] : path;
      if (
        typeof mapping !== "object" || mapping === null ||
        Array.isArray(mapping)
      ) {
        options.report(place, "must be a mapping or a list of mappings");
      } else if (open.has(mapping)) {
        options.report(place, "must not merge a mapping into itself");
      } else {
        const resolvedMapping = resolve(mapping, place) as Mapping;
        for (const [key, member] of Object.entries(resolvedMapping)) {
          options.count();
          define(target, key, member);
        }
      }
    }
  }

  return resolve(document, []);
}

/** Defines an own property, so that `__proto__` is a key like any other. */
function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}
