import { linkNodes, topologicalOrder } from "../../graph_scheduler.ts";
import { cutToWidth } from "../../terminal/width.ts";
import { criticalPath } from "../critical_path.ts";
import { formatDuration } from "../durations.ts";
import type { StepRecord } from "../run_record.ts";
import { hasFailed, resultMark } from "../step_outcome.ts";
import { type Html, markup, raw, resultClass } from "./html_text.ts";

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
    x: columnX(groups[group].column),
    y: rowY(rows[group]),
  });
  const critical = criticalGroups(steps);
  const isCritical = ({ from, to }: Edge) =>
    critical.get(groups[to].name) === groups[from].name;
  const places = groups.map((_, group) => place(group));
  const bottoms = [
    ...places.map(({ y }) => y),
    ...edges.flatMap((edge) => edge.rows.map(rowY)),
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
      .map((edge) => line(edge, groups, place, isCritical(edge)))
  }${
    groups.map((group, index) =>
      box(group, places[index], critical.has(group.name))
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

function columnX(column: number): number {
  return MARGIN + column * (BOX.width + GAP.x);
}

function rowY(row: number): number {
  return MARGIN + row * (BOX.height + GAP.y);
}

/** Maps each group of the critical path to the one before it. */
function criticalGroups(
  steps: readonly StepRecord[],
): ReadonlyMap<string, string | undefined> {
  const path = criticalPath(steps).steps
    .filter(({ startedAt }) => startedAt !== null);
  return new Map(
    path.map(({ group }, index) => [group, path[index - 1]?.group]),
  );
}

function box(
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
    resultMark(result)
  } ${result}${
    shown.startedAt === null ? "" : `, ${formatDuration(longest)}`
  }</text>
    </g>
  `;
}

function line(
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
    curveTo(columnX(groups[from].column + index + 1), middleY(rowY(row)));
    at = { ...at, x: at.x + BOX.width };
    path += `H${at.x}`;
  });
  const end = place(to);
  curveTo(end.x, middleY(end.y));
  return markup`<path${
    isCritical ? raw(' class="on-path"') : ""
  } d="${path}"/>`;
}
