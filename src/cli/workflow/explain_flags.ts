import type { Flag } from "../command.ts";

/** Options of commands that explain what starts. */
export const EXPLAIN_FLAGS: readonly Flag[] = [
  {
    name: "explain",
    help:
      "Print which workflows and jobs start, which are skipped and why, without starting any",
  },
  { name: "json", help: "Print the explanation as JSON" },
];
