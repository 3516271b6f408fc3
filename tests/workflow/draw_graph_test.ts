import { assert, assertEquals } from "@std/assert";
import {
  dotGraph,
  type DrawnJob,
  levels,
  mermaidGraph,
  svgGraph,
  terminalGraph,
} from "../../src/workflow/draw_graph.ts";

function job(name: string, more: Partial<DrawnJob> = {}): DrawnJob {
  return {
    name,
    dependsOn: [],
    condition: "all_success",
    ...more,
  };
}

const JOBS = [
  job("build", { dependsOn: ["test", "lint"] }),
  job("test", { count: 2 }),
  job("lint"),
  job('mend "<it>"\u001b', { dependsOn: ["build"], condition: "any_failed" }),
];

Deno.test("terminalGraph() draws each job below its dependencies", () => {
  assertEquals(
    terminalGraph(JOBS),
    `test ×2
lint
└─ build  ← test, lint
   └─ mend "<it>"\\u{1b} (any_failed)  ← build`,
  );
});

Deno.test("mermaidGraph() and dotGraph() quote names", () => {
  assertEquals(
    mermaidGraph(JOBS),
    `flowchart TD
  job0["build"]
  job1["test ×2"]
  job2["lint"]
  job3["mend #34;#60;it#62;#34;\\u{1b} (any_failed)"]
  job1 --> job0
  job2 --> job0
  job0 -.-> job3`,
  );
  assertEquals(
    dotGraph('C"I', JOBS),
    `digraph "C\\"I" {
  rankdir=TB;
  node [shape=box];
  job0 [label="build"];
  job1 [label="test ×2"];
  job2 [label="lint"];
  job3 [label="mend \\"<it>\\"\\\\u{1b} (any_failed)"];
  job1 -> job0;
  job2 -> job0;
  job0 -> job3 [style=dashed];
}`,
  );
});

Deno.test("svgGraph() draws a box for each job and a line for each dependency", () => {
  const svg = svgGraph("CI & more", JOBS);
  assertEquals(svg.match(/<rect /g)?.length, 4);
  assertEquals(svg.match(/<path /g)?.length, 3);
  assert(svg.includes("<title>CI &#38; more</title>"));
  assert(!svg.includes("<it>"));
});

Deno.test("levels() accepts a chain of any length", () => {
  const chain = Array.from(
    { length: 20_000 },
    (_, at) => job(`j${at}`, { dependsOn: at === 0 ? [] : [`j${at - 1}`] }),
  );
  assertEquals(levels(chain).length, 20_000);
});
