import { displayWidth } from "../../display_width.ts";
import { printable } from "../../printable.ts";
import type { LocalJob } from "../local/local_job.ts";
import { labelOf } from "./graph_texts.ts";
import { levels } from "./levels.ts";

/** Measures of the picture, in pixels. */
const CHARACTER = 8;
const PADDING = 12;
const HEIGHT = 32;
const GAP = 24;
const ROW = 80;

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly label: string;
}

/**
 * Draws a workflow as a picture: rows of boxes, and lines to those that wait.
 *
 * @param name Name of the workflow.
 * @param jobs Jobs.
 * @returns An SVG document, which needs nothing else.
 */
export function svgGraph(name: string, jobs: readonly LocalJob[]): string {
  const boxes = new Map<string, Box>();
  let width = 0;
  const rows = levels(jobs);
  rows.forEach((row, at) => {
    let x = GAP;
    for (const job of row) {
      const label = printable(labelOf(job));
      const box = {
        x,
        y: GAP + at * ROW,
        width: displayWidth(label) * CHARACTER + 2 * PADDING,
        label,
      };
      boxes.set(job.name, box);
      x += box.width + GAP;
    }
    width = Math.max(width, x);
  });
  const height = rows.length * ROW + GAP;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="13">`,
    `<title>${escape(printable(name))}</title>`,
    ...jobs.flatMap((job) => linesTo(job, boxes)),
    ...[...boxes.values()].map(boxText),
    "</svg>",
  ].join("\n");
}

function linesTo(
  { name, dependsOn, condition }: LocalJob,
  boxes: ReadonlyMap<string, Box>,
): string[] {
  const to = boxes.get(name)!;
  const dash = condition === "all_success" ? "" : ' stroke-dasharray="4"';
  return dependsOn.flatMap((need) => {
    const from = boxes.get(need);
    if (from === undefined) return [];
    const [x1, y1] = [from.x + from.width / 2, from.y + HEIGHT];
    const [x2, y2] = [to.x + to.width / 2, to.y];
    return [
      `<path d="M${x1} ${y1}C${x1} ${y1 + 24} ${x2} ${
        y2 - 24
      } ${x2} ${y2}" fill="none" stroke="gray"${dash}/>`,
    ];
  });
}

function boxText({ x, y, width, label }: Box): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${HEIGHT}" rx="4" fill="white" stroke="black"/>` +
    `<text x="${x + width / 2}" y="${y + 21}" text-anchor="middle">${
      escape(label)
    }</text>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (it) => `&#${it.charCodeAt(0)};`);
}
