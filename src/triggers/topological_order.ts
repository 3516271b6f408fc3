import { suggest } from "../suggest.ts";
import { triggerError, type TriggerProblem } from "./check_triggers.ts";
import { brief, quote } from "./printable.ts";
import type { Trigger } from "./trigger.ts";

/** Most names that the picture of a cycle shows. */
const MOST_SHOWN = 10;

/** Most suggestions that are looked for; each compares with every name. */
const MOST_SUGGESTIONS = 20;

/** A trigger whose dependencies are being put in front of it. */
interface Frame {
  readonly trigger: Trigger;
  /** Index of the dependency that comes next. */
  next: number;
}

/**
 * Puts triggers behind their dependencies, and otherwise leaves them where
 * they are.
 *
 * It takes time in proportion to the number of jobs and dependencies.
 *
 * @param triggers Checked triggers with distinct names.
 * @returns The same triggers in their new order.
 * @throws {RunnerError} `invalid-trigger` if a dependency is unknown or there
 * is a cycle: the coordinator would let such jobs wait for ever.
 */
export function topologicalOrder(triggers: readonly Trigger[]): Trigger[] {
  const byName = new Map(triggers.map((trigger) => [trigger.name, trigger]));
  const unknown = unknownDependencies(byName);
  if (unknown.length > 0) throw triggerError(unknown);
  const ordered = new Set<Trigger>();
  for (const trigger of triggers) visit(trigger, byName, ordered);
  return [...ordered];
}

/** Walks depth first on a stack of its own, because a chain may be long. */
function visit(
  start: Trigger,
  byName: ReadonlyMap<string, Trigger>,
  ordered: Set<Trigger>,
): void {
  if (ordered.has(start)) return;
  const path: Frame[] = [{ trigger: start, next: 0 }];
  const onPath = new Set([start]);
  while (path.length > 0) {
    const frame = path[path.length - 1];
    const name = frame.trigger.dependsOn?.[frame.next++];
    if (name === undefined) {
      ordered.add(frame.trigger);
      onPath.delete(frame.trigger);
      path.pop();
      continue;
    }
    const trigger = byName.get(name)!;
    if (onPath.has(trigger)) throw cycleError(path, trigger);
    if (ordered.has(trigger)) continue;
    path.push({ trigger, next: 0 });
    onPath.add(trigger);
  }
}

function unknownDependencies(
  byName: ReadonlyMap<string, Trigger>,
): TriggerProblem[] {
  const problems: TriggerProblem[] = [];
  for (const trigger of byName.values()) {
    for (const name of trigger.dependsOn ?? []) {
      if (byName.has(name)) continue;
      const meant = problems.length < MOST_SUGGESTIONS
        ? suggest(name, byName.keys())
        : undefined;
      problems.push({
        job: quote(trigger.name),
        problem: `its dependency ${quote(name)} is not triggered` +
          (meant === undefined ? "" : `, did you mean ${quote(meant)}`),
      });
    }
  }
  return problems;
}

function cycleError(path: readonly Frame[], back: Trigger): Error {
  const start = path.findIndex(({ trigger }) => trigger === back);
  const names = path.slice(start).map(({ trigger }) => trigger.name);
  const hidden = names.length - MOST_SHOWN;
  if (hidden > 0) names.splice(MOST_SHOWN, hidden, `(${hidden} more)`);
  const picture = [...names, back.name].map((name) => brief(name));
  return triggerError([{
    job: quote(back.name),
    problem: `it waits for itself: ${picture.join(" → ")}`,
  }]);
}
