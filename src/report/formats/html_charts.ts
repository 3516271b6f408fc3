/**
 * The charts of the HTML report: the time of steps, and the graph of their
 * dependencies.
 *
 * @module
 */
import { linkNodes, topologicalOrder } from "../../graph_scheduler.ts";
import { cutToWidth } from "../../terminal/width.ts";
import { findCriticalPath } from "../critical_path.ts";
import { formatDuration } from "../record_text.ts";
import type { StepRecord } from "../run_record.ts";
import { assignLanes, countLanes } from "../step_lanes.ts";
import { getResultMark, hasFailed } from "../step_outcome.ts";
import { type Html, markup, raw, resultClass } from "./html_document.ts";

/** Width of a timeline in its own units; it is stretched to the page. */
const TIMELINE_WIDTH = 1_000;

/** Shorter waiting is not mentioned. */
export const MIN_WAIT_MS = 50;

/** Height of a lane in the overview. */
const LANE_HEIGHT = 9;

/** Maximum number of lanes in the overview. */
const MAX_LANES = 40;

/** A part of a bar. */
export type BarPart = readonly [kind: string, fromMs: number, toMs: number];

/**
 * Writes the time labels of a timeline: at its start, its quarters and its end.
 *
 * @param totalMs Length of the timeline.
 */
export function ticks(totalMs: number): Html {
  return markup`<div class="ticks" aria-hidden="true">${
    [0, 1, 2, 3, 4].map((quarter) =>
      markup`<span>${formatDuration((totalMs * quarter) / 4)}</span>`
    )
  }</div>`;
}

/**
 * Explains the colors that occur in a timeline.
 *
 * @param steps Steps of a run.
 */
export function legend(steps: readonly StepRecord[]): Html {
  const key = (name: string, text: string) =>
    markup`<span><svg width="12" height="12" aria-hidden="true"><rect class="${name}" width="12" height="12" rx="2"/></svg> ${text}</span>`;
  const hasAttempt = (...outcomes: readonly string[]) =>
    steps.some(({ attempts }) =>
      attempts.some(({ outcome }) => outcomes.includes(outcome))
    );
  return markup`<p class="legend">${
    steps.some(hasWaited) ? key("queued", "waited for a free slot") : ""
  }${hasAttempt("success") ? key("success", "succeeded") : ""}${
    hasAttempt("failed", "timeout") ? key("failed", "failed attempt") : ""
  }${
    steps.some(({ state }) => state === "running")
      ? key("running", "running")
      : ""
  }<span><svg width="16" height="12" aria-hidden="true"><rect class="critical" y="5" width="16" height="3"/></svg> critical path: the run cannot be shorter</span></p>`;
}

/** Checks whether a step waited for a free slot long enough to mention it. */
export function hasWaited(step: StepRecord): boolean {
  const { startMs = 0, queuedMs = startMs } = step;
  return startMs - queuedMs >= MIN_WAIT_MS;
}

/**
 * Draws the bar of a step: its wait and each of its attempts.
 *
 * @param step The step.
 * @param totalMs Length of the timeline.
 * @param isCritical Whether the step is on the critical path.
 * @returns SVG; nothing for a step that did not start.
 */
export function stepBar(
  step: StepRecord,
  totalMs: number,
  isCritical: boolean,
): Html | "" {
  const { startMs, queuedMs = startMs, durationMs, attempts, state } = step;
  if (startMs === undefined || queuedMs === undefined) return "";
  return bar(totalMs, formatStepLabel(step), [
    ...startMs > queuedMs ? [["queued", queuedMs, startMs] as const] : [],
    ...attempts.map(({ outcome, startMs, durationMs }, index) => {
      const isLast = index === attempts.length - 1;
      const kind = state === "running" && isLast ? state : outcome;
      return [kind, startMs, startMs + durationMs] as const;
    }),
    ...isCritical ? [["critical", startMs, startMs + durationMs] as const] : [],
  ]);
}

/**
 * Draws a bar.
 *
 * @param totalMs Length of the timeline.
 * @param label What the bar shows.
 * @param parts Parts. One of the kind `critical` is a line below the others.
 */
export function bar(
  totalMs: number,
  label: string,
  parts: readonly BarPart[],
): Html {
  return markup`<svg viewBox="0 0 ${TIMELINE_WIDTH} 16" preserveAspectRatio="none"><title>${label}</title>${
    parts.map(([kind, fromMs, toMs]) => {
      const [x, width] = measureExtent(totalMs, fromMs, toMs);
      const [y, height] = kind === "critical" ? [13, 3] : [0, 12];
      return markup`<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}"/>`;
    })
  }</svg>`;
}

function measureExtent(
  totalMs: number,
  fromMs: number,
  toMs: number,
): [x: number, width: number] {
  const x = (ms: number) =>
    Math.round(TIMELINE_WIDTH * Math.min(1, ms / totalMs));
  return [
    Math.min(x(fromMs), TIMELINE_WIDTH - 2),
    Math.max(2, x(toMs) - x(fromMs)),
  ];
}

function formatStepLabel(step: StepRecord): string {
  const { startMs = 0, queuedMs = startMs, durationMs, attempts } = step;
  return [
    `starts after ${formatDuration(startMs)}`,
    `runs for ${formatDuration(durationMs)}`,
    ...attempts.length > 1 ? [`${attempts.length} attempts`] : [],
    ...startMs - queuedMs >= MIN_WAIT_MS
      ? [`waited ${formatDuration(startMs - queuedMs)} for a free slot`]
      : [],
  ].join(", ");
}

/**
 * Draws all steps, in as many lanes as ran at the same time.
 *
 * @param steps Steps of a run.
 * @param totalMs Length of the timeline.
 * @returns SVG with its times; nothing if no step ran.
 */
export function stepOverview(
  steps: readonly StepRecord[],
  totalMs: number,
): Html | "" {
  const placed = assignLanes(steps);
  if (placed.length === 0) return "";
  const count = countLanes(placed);
  const shown = Math.min(count, MAX_LANES);
  return markup`
    <svg class="overview" viewBox="0 0 ${TIMELINE_WIDTH} ${
    shown * LANE_HEIGHT
  }" height="${
    shown * LANE_HEIGHT
  }" preserveAspectRatio="none" role="img" aria-label="${placed.length} steps, in ${count} lanes">${
    placed.filter(({ lane }) => lane < shown).map(
      ({ step, startMs, endMs, lane }) => {
        const [x, width] = measureExtent(totalMs, startMs, endMs);
        return markup`<rect class="${resultClass(step)}" x="${x}" y="${
          lane * LANE_HEIGHT
        }" width="${width}" height="${LANE_HEIGHT - 1}"/>`;
      },
    )
  }</svg>
    ${ticks(totalMs)}
  `;
}

/** Larger graphs are not drawn, since they cannot be read. */
const MAX_GROUPS = 60;

/** A drawing up to this width is shrunk to fit the page; wider ones scroll. */
const MAX_FITTING_WIDTH = 1_500;

const BOX = { width: 150, height: 42 };
const GAP = { x: 44, y: 12 };
const MARGIN = 4;
const NAME_CELLS = 18;

/** The steps of one definition. */
interface Group {
  readonly name: string;
  readonly steps: readonly StepRecord[];
  /** Groups that it waits for, without indirect ones. */
  readonly needs: readonly number[];
  readonly column: number;
}

/** A line between two groups, with the rows that it passes through. */
interface Edge {
  readonly from: number;
  readonly to: number;
  /** Row in each column between the two. */
  readonly rows: number[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * Draws the dependencies between steps, with one box for all steps of a matrix.
 *
 * Indirect dependencies have no line. In the columns that it crosses, each line
 * has its own row.
 *
 * @param steps Steps of a run.
 * @returns SVG; `undefined` if no step waits for another one, or if there are
 * too many steps.
 */
export function graphSvg(steps: readonly StepRecord[]): Html | undefined {
  const count = new Set(steps.map(({ group }) => group)).size;
  if (count > MAX_GROUPS || !steps.some(({ dependsOn }) => dependsOn.length)) {
    return undefined;
  }
  const groups = createGroups(steps);
  const edges = groups.flatMap(({ needs }, to) =>
    needs.map((from): Edge => ({ from, to, rows: [] }))
  );
  const rows = placeRows(groups, edges);
  const place = (group: number): Point => ({
    x: computeX(groups[group].column),
    y: computeY(rows[group]),
  });
  const critical = findCriticalGroups(steps);
  const isCritical = ({ from, to }: Edge) =>
    critical.get(groups[to].name) === groups[from].name;
  const places = groups.map((_, group) => place(group));
  const bottoms = [
    ...places.map(({ y }) => y),
    ...edges.flatMap((edge) => edge.rows.map(computeY)),
  ];
  const width = Math.max(...places.map(({ x }) => x)) + BOX.width + MARGIN;
  const height = Math.max(...bottoms) + BOX.height + MARGIN;
  return markup`
    <svg class="graph${
    width <= MAX_FITTING_WIDTH ? " fits" : ""
  }" width="${width}" height="${height}"
      viewBox="0 0 ${width} ${height}" role="img"
      aria-label="Graph of ${count} steps">${
    edges.toSorted((a, b) => Number(isCritical(a)) - Number(isCritical(b)))
      .map((edge) => drawEdge(edge, groups, place, isCritical(edge)))
  }${
    groups.map((group, index) =>
      drawGroup(group, places[index], critical.has(group.name))
    )
  }</svg>
  `;
}

function createGroups(steps: readonly StepRecord[]): Group[] {
  const graph = linkNodes(steps);
  const hasMembers = (group: number) => graph.members[group].length > 0;
  const columns = new Array<number>(graph.groups.length).fill(0);
  const ancestors = graph.groups.map(() => new Set<number>());
  for (const node of topologicalOrder(graph)) {
    const { [node]: group } = graph.groupOf;
    for (const need of graph.needs[node]) {
      columns[group] = Math.max(columns[group], columns[need] + 1);
      ancestors[group].add(need);
      for (const one of ancestors[need]) ancestors[group].add(one);
    }
  }
  const present = [...graph.groups.keys()].filter(hasMembers);
  const indexes = new Map(present.map((group, index) => [group, index]));
  return present.map((group): Group => {
    const { [group]: members } = graph.members;
    const needs = graph.needs[members[0]].filter(hasMembers);
    return {
      name: graph.groups[group],
      steps: members.map((node) => steps[node]),
      needs: needs
        .filter((need) => !needs.some((other) => ancestors[other].has(need)))
        .flatMap((need) => indexes.get(need) ?? []),
      column: columns[group],
    };
  });
}

/**
 * Assigns a row to each group, and to each line in each column that it crosses,
 * near its predecessors in the previous column.
 */
function placeRows(groups: readonly Group[], edges: readonly Edge[]): number[] {
  const rows = new Array<number>(groups.length).fill(0);
  const last = Math.max(0, ...groups.map(({ column }) => column));
  const rowBefore = ({ from, rows: edgeRows }: Edge) =>
    edgeRows.at(-1) ?? rows[from];
  for (let column = 0; column <= last; column++) {
    const items = [
      ...groups.flatMap((group, index) => {
        if (group.column !== column) return [];
        const before = edges.filter(({ to }) => to === index).map(rowBefore);
        const sum = before.reduce((total, row) => total + row, 0);
        return [{
          preferred: sum / Math.max(1, before.length),
          set: (row: number) => void (rows[index] = row),
        }];
      }),
      ...edges.filter(({ from, to }) =>
        groups[from].column < column && column < groups[to].column
      ).map((edge) => ({
        preferred: rowBefore(edge),
        set: (row: number) => void edge.rows.push(row),
      })),
    ].sort((a, b) => a.preferred - b.preferred);
    let next = 0;
    for (const { preferred, set } of items) {
      const row = Math.max(next, Math.floor(preferred));
      set(row);
      next = row + 1;
    }
  }
  return rows;
}

function computeX(column: number): number {
  return MARGIN + column * (BOX.width + GAP.x);
}

function computeY(row: number): number {
  return MARGIN + row * (BOX.height + GAP.y);
}

/** Maps each group of the critical path to the one before it. */
function findCriticalGroups(
  steps: readonly StepRecord[],
): ReadonlyMap<string, string | undefined> {
  const path = findCriticalPath(steps).steps
    .filter(({ startedAt }) => startedAt !== null);
  return new Map(
    path.map(({ group }, index) => [group, path[index - 1]?.group]),
  );
}

function drawGroup(
  { name, steps }: Group,
  { x, y }: Point,
  isCritical: boolean,
): Html {
  const shown = steps.find(hasFailed) ??
    steps.find(({ state }) => state === "running") ?? steps[0];
  const result = resultClass(shown);
  const count = steps.length > 1 ? ` ×${steps.length}` : "";
  const longest = steps.reduce(
    (longest, { durationMs }) => Math.max(longest, durationMs),
    0,
  );
  return markup`
    <g>
      <title>${name}${count}: ${result}</title>
      <rect class="box ${result}${
    isCritical ? " on-path" : ""
  }" x="${x}" y="${y}"
        width="${BOX.width}" height="${BOX.height}" rx="6" />
      <text class="name" x="${x + 10}" y="${y + 18}">${
    cutToWidth(name, NAME_CELLS - count.length)
  }${count}</text>
      <text class="result ${result}" x="${x + 10}" y="${y + 33}">${
    getResultMark(result)
  } ${result}${
    shown.startedAt === null ? "" : `, ${formatDuration(longest)}`
  }</text>
    </g>
  `;
}

function drawEdge(
  { from, to, rows }: Edge,
  groups: readonly Group[],
  place: (group: number) => Point,
  isCritical: boolean,
): Html {
  const middleY = (y: number) => y + BOX.height / 2;
  const { x, y } = place(from);
  let at = { x: x + BOX.width, y: middleY(y) };
  let path = `M${at.x} ${at.y}`;
  const curveTo = (x: number, y: number) => {
    const middle = (at.x + x) / 2;
    path += `C${middle} ${at.y} ${middle} ${y} ${x} ${y}`;
    at = { x, y };
  };
  rows.forEach((row, index) => {
    curveTo(computeX(groups[from].column + index + 1), middleY(computeY(row)));
    at = { ...at, x: at.x + BOX.width };
    path += `H${at.x}`;
  });
  const end = place(to);
  curveTo(end.x, middleY(end.y));
  return markup`<path${
    isCritical ? raw(' class="on-path"') : ""
  } d="${path}"/>`;
}
