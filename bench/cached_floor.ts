/**
 * Does the least that a run must do if all of its steps are cached: it reads the
 * job file and what it remembers of each file, lists the inputs and outputs of each
 * step, compares the metadata of each file, and prints two lines for each step.
 *
 * The floor of cached steps: it computes no keys, reads no results and masks
 * nothing.
 *
 * @module
 */

/** Metadata of each file in the previous run. */
const MEMORY = "remembered.json";

const encoder = new TextEncoder();
const { steps }: { steps: { name: string; working_dir: string }[] } = JSON
  .parse(Deno.readTextFileSync("steps.json"));
const remembered = readMemory();
const seen: Record<string, string> = {};
let changeCount = 0;
for (const { name, working_dir: directory } of steps) {
  for (const part of ["src", "dist"]) look(`${directory}/${part}`);
  const lines = `${name}: started\n${name}: cached\n`;
  await Deno.stderr.write(encoder.encode(lines));
}
if (changeCount > 0) Deno.writeTextFileSync(MEMORY, JSON.stringify(seen));

function look(directory: string): void {
  for (const { name } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    const { size, mode, ino, mtime } = Deno.lstatSync(path);
    seen[path] = [size, mode, ino, mtime?.getTime()].join(" ");
    if (seen[path] !== remembered[path]) changeCount++;
  }
}

function readMemory(): Record<string, string> {
  try {
    return JSON.parse(Deno.readTextFileSync(MEMORY));
  } catch {
    // This is the first run.
    return {};
  }
}
