import { linkNodes, topologicalOrder } from "../graph_scheduler.ts";
import type { Condition } from "../schema/scalars.ts";
import { printable, withoutCommands } from "../terminal/text.ts";
import { displayWidth } from "../terminal/width.ts";

/**
 * Draws a workflow for a terminal: a line for each job, below its dependencies.
 */
export function terminalGraph(jobs: readonly DrawnJob[]): string {
  return levels(jobs).flatMap((row, depth) =>
    row.map((job) => {
      const waits = job.dependsOn.length === 0
        ? ""
        : `  ← ${job.dependsOn.join(", ")}`;
      const indent = depth === 0 ? "" : `${"   ".repeat(depth - 1)}└─ `;
      return withoutCommands(
        printable(`${indent}${jobLabel(job)}${waits}`),
      );
    })
  ).join("\n");
}

/** Draws a workflow as a Mermaid flowchart. */
export function mermaidGraph(jobs: readonly DrawnJob[]): string {
  const ids = createIds(jobs);
  const text = (label: string) =>
    `"${
      printable(label).replace(/["#&<>]/g, (character) =>
        `#${character.charCodeAt(0)};`)
    }"`;
  return [
    "flowchart TD",
    ...jobs.map((job) => `  ${ids.get(job.name)}[${text(jobLabel(job))}]`),
    ...createEdges(jobs).map(({ from, to, needsSuccess }) =>
      `  ${ids.get(from)} ${needsSuccess ? "-->" : "-.->"} ${ids.get(to)}`
    ),
  ].join("\n");
}

/**
 * Draws a workflow for Graphviz.
 *
 * @returns Lines of DOT.
 */
export function dotGraph(name: string, jobs: readonly DrawnJob[]): string {
  const ids = createIds(jobs);
  const text = (label: string) =>
    `"${printable(label).replace(/["\\]/g, "\\$&")}"`;
  return [
    `digraph ${text(name)} {`,
    "  rankdir=TB;",
    "  node [shape=box];",
    ...jobs.map((job) =>
      `  ${ids.get(job.name)} [label=${text(jobLabel(job))}];`
    ),
    ...createEdges(jobs).map(({ from, to, needsSuccess }) =>
      `  ${ids.get(from)} -> ${ids.get(to)}${
        needsSuccess ? "" : " [style=dashed]"
      };`
    ),
    "}",
  ].join("\n");
}

/** Returns the label of a job: its name, number of items, kind and condition. */
export function jobLabel({ name, count, condition, kind }: DrawnJob): string {
  const times = count === undefined ? "" : ` ×${count}`;
  const when = condition === "all_success" ? "" : ` (${condition})`;
  return `${name}${times}${kind === undefined ? "" : ` (${kind})`}${when}`;
}

/** Generates IDs, because job names may not be valid identifiers. */
function createIds(jobs: readonly DrawnJob[]): ReadonlyMap<string, string> {
  return new Map(jobs.map(({ name }, at) => [name, `job${at}`]));
}

function createEdges(jobs: readonly DrawnJob[]) {
  return jobs.flatMap(({ name, dependsOn, condition }) =>
    dependsOn.map((from) => ({
      from,
      to: name,
      needsSuccess: condition === "all_success",
    }))
  );
}

/** Dimensions of the drawing, in pixels. */
const CHARACTER_WIDTH = 8;
const PADDING = 12;
const BOX_HEIGHT = 32;
const GAP = 24;
const ROW_HEIGHT = 80;

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly label: string;
}

/**
 * Draws a workflow as SVG: rows of boxes, connected to their dependents.
 *
 * @returns A self-contained SVG document.
 */
export function svgGraph(name: string, jobs: readonly DrawnJob[]): string {
  const boxes = new Map<string, Box>();
  let width = 0;
  const rows = levels(jobs);
  rows.forEach((row, at) => {
    let x = GAP;
    for (const job of row) {
      const label = printable(jobLabel(job));
      const box = {
        x,
        y: GAP + at * ROW_HEIGHT,
        width: displayWidth(label) * CHARACTER_WIDTH + 2 * PADDING,
        label,
      };
      boxes.set(job.name, box);
      x += box.width + GAP;
    }
    width = Math.max(width, x);
  });
  const height = rows.length * ROW_HEIGHT + GAP;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="13">`,
    `<title>${escape(printable(name))}</title>`,
    ...jobs.flatMap((job) => drawEdges(job, boxes)),
    ...[...boxes.values()].map(drawBox),
    "</svg>",
  ].join("\n");
}

function drawEdges(
  { name, dependsOn, condition }: DrawnJob,
  boxes: ReadonlyMap<string, Box>,
): string[] {
  const to = boxes.get(name)!;
  const dashAttribute = condition === "all_success"
    ? ""
    : ' stroke-dasharray="4"';
  return dependsOn.flatMap((need) => {
    const from = boxes.get(need);
    if (from === undefined) return [];
    const [x1, y1] = [from.x + from.width / 2, from.y + BOX_HEIGHT];
    const [x2, y2] = [to.x + to.width / 2, to.y];
    return [
      `<path d="M${x1} ${y1}C${x1} ${y1 + 24} ${x2} ${
        y2 - 24
      } ${x2} ${y2}" fill="none" stroke="gray"${dashAttribute}/>`,
    ];
  });
}

function drawBox({ x, y, width, label }: Box): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${BOX_HEIGHT}" rx="4" fill="white" stroke="black"/>` +
    `<text x="${x + width / 2}" y="${y + 21}" text-anchor="middle">${
      escape(label)
    }</text>`;
}

function escape(text: string): string {
  return text.replace(
    /[&<>"]/g,
    (character) => `&#${character.charCodeAt(0)};`,
  );
}

/** Properties of a job that determine its row. */
interface PlacedJob {
  /** Name of the job. */
  readonly name: string;
  /** Names of its dependencies. */
  readonly dependsOn: readonly string[];
}

/** A job of a workflow, or a step of a job, to draw. */
export interface DrawnJob extends PlacedJob {
  /** Condition for running it. */
  readonly condition: Condition;
  /** Number of items or combinations that it runs for. */
  readonly count?: number;
  /** Set for a step that runs alongside the others. */
  readonly kind?: "service" | "background";
}

/**
 * Arranges jobs in rows, each job below all of its dependencies.
 *
 * @param jobs Jobs without a cycle; unknown dependencies are ignored.
 * @returns Rows, each in the order of the jobs.
 */
export function levels<J extends PlacedJob>(jobs: readonly J[]): J[][] {
  const names = new Set(jobs.map(({ name }) => name));
  const graph = linkNodes(jobs.map(({ name, dependsOn }) => ({
    group: name,
    dependsOn: dependsOn.filter((need) => names.has(need)),
  })));
  const depths: number[] = [];
  for (const at of topologicalOrder(graph)) {
    const needs = graph.needs[at].flatMap((group) => graph.members[group]);
    depths[at] = needs.reduce(
      (max, need) => Math.max(max, depths[need] + 1),
      0,
    );
  }
  const rows: J[][] = [];
  jobs.forEach((job, at) => (rows[depths[at]] ??= []).push(job));
  return rows;
}
