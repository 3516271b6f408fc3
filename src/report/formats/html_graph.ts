import { linkNodes, topologicalOrder } from "../../graph.ts";
import { cutToWidth } from "../../terminal/width.ts";
import type { StepRecord } from "../run_record.ts";
import { hasFailed } from "../summary_table.ts";
import { type Html, markup } from "./html_text.ts";

/** Larger graphs are no help to anybody. */
const MAX_GROUPS = 60;

const BOX = { width: 150, height: 28 };
const GAP = { x: 50, y: 14 };
const MARGIN = 4;
const NAME_CELLS = 18;

/** The steps of one definition. */
interface Group {
  readonly name: string;
  readonly steps: readonly StepRecord[];
  readonly dependsOn: readonly string[];
  readonly x: number;
  readonly y: number;
}

/**
 * Draws which steps waited for which, one box for all steps of a matrix.
 *
 * @param steps Steps of a run.
 * @returns SVG; `undefined` if no step waits for another one, or if there are
 * too many to be seen.
 */
export function graphSvg(steps: readonly StepRecord[]): Html | undefined {
  const groups = place(steps);
  const count = groups.length;
  if (count > MAX_GROUPS || !steps.some(({ dependsOn }) => dependsOn.length)) {
    return undefined;
  }
  const byName = new Map(groups.map((group) => [group.name, group]));
  const width = Math.max(...groups.map(({ x }) => x)) + BOX.width + MARGIN;
  const height = Math.max(...groups.map(({ y }) => y)) + BOX.height + MARGIN;
  return markup`
    <svg class="graph" width="${width}" height="${height}"
      viewBox="0 0 ${width} ${height}" role="img"
      aria-label="Graph of ${count} steps">${
    groups.map((group) =>
      group.dependsOn.flatMap((name) => {
        const from = byName.get(name);
        return from === undefined ? [] : [arrow(from, group)];
      })
    )
  }${groups.map(box)}</svg>
  `;
}

function place(steps: readonly StepRecord[]): Group[] {
  const graph = linkNodes(steps);
  const depths = new Array<number>(graph.groups.length).fill(0);
  for (const node of topologicalOrder(graph)) {
    const { [graph.groupOf[node]]: own } = depths;
    depths[graph.groupOf[node]] = Math.max(
      own,
      ...graph.needs[node].map((need) => depths[need] + 1),
    );
  }
  const heights = new Map<number, number>();
  return graph.groups.flatMap((name, group): Group[] => {
    const members = graph.members[group].map((node) => steps[node]);
    if (members.length === 0) return [];
    const { [group]: depth } = depths;
    const row = heights.get(depth) ?? 0;
    heights.set(depth, row + 1);
    return [{
      name,
      steps: members,
      dependsOn: members[0].dependsOn,
      x: MARGIN + depth * (BOX.width + GAP.x),
      y: MARGIN + row * (BOX.height + GAP.y),
    }];
  });
}

function box({ name, steps, x, y }: Group): Html {
  const shown = steps.find(hasFailed) ??
    steps.find(({ state }) => state === "running") ?? steps[0];
  const status = shown.state ?? shown.outcome;
  const count = steps.length > 1 ? ` ×${steps.length}` : "";
  return markup`
    <g>
      <title>${name}${count}: ${status}</title>
      <rect class="box ${status}" x="${x}" y="${y}"
        width="${BOX.width}" height="${BOX.height}" rx="5" />
      <text x="${x + BOX.width / 2}" y="${y + BOX.height / 2 + 4}">${
    cutToWidth(
      name,
      NAME_CELLS,
    )
  }${count}</text>
    </g>
  `;
}

function arrow(from: Group, to: Group): Html {
  const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
  const [x2, y2] = [to.x, to.y + BOX.height / 2];
  const middle = (x1 + x2) / 2;
  return markup`
    <path
      d="M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}" />
  `;
}
