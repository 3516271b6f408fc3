import type { GoalRatio } from "./measure.ts";

const ROW = 22;

const LABEL_WIDTH = 440;

const BAR_WIDTH = 400;

const MARGIN = 12;

/**
 * Draws each ratio relative to its goal. A bar that ends left of the line meets
 * its goal.
 *
 * @param bars Ratios.
 * @returns SVG.
 */
export function plot(bars: readonly GoalRatio[]): string {
  const width = LABEL_WIDTH + BAR_WIDTH + 2 * MARGIN;
  const height = (bars.length + 2) * ROW + 2 * MARGIN;
  const maxShare = Math.max(
    1.25,
    ...bars.map(({ ratio, goal }) => ratio / goal),
  );
  const toX = (share: number) => LABEL_WIDTH + (share / maxShare) * BAR_WIDTH;
  const goalX = toX(1).toFixed(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...bars.map((bar, at) => barMarkup(bar, MARGIN + (at + 1) * ROW, toX)),
    `<line x1="${goalX}" x2="${goalX}" y1="${MARGIN + ROW / 2}" y2="${
      height - MARGIN
    }" stroke="#333" stroke-dasharray="4 3"/>`,
    `<text x="${goalX}" y="${MARGIN}" text-anchor="middle">goal</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function barMarkup(
  { label, ratio, goal }: GoalRatio,
  y: number,
  toX: (share: number) => number,
): string {
  const length = (toX(ratio / goal) - LABEL_WIDTH).toFixed(1);
  const color = ratio <= goal ? "#2a7f62" : "#b3382c";
  return [
    `<text x="${LABEL_WIDTH - 8}" y="${y + 11}" text-anchor="end">${
      escapeMarkup(label)
    }</text>`,
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${length}" height="${
      ROW - 8
    }" fill="${color}"/>`,
    `<text x="${LABEL_WIDTH + 4}" y="${
      y + 11
    }" fill="#fff" font-weight="bold">${ratio.toFixed(2)} of ${goal}</text>`,
  ].join("");
}

function escapeMarkup(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
