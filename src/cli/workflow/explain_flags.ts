import type { Flag } from "../command.ts";

/** Options of commands that explain what starts. */
export const EXPLAIN_FLAGS: readonly Flag[] = [
  {
    name: "explain",
    help:
      "Print which workflows and jobs start or are skipped, and why; start none",
  },
  { name: "json", help: "Print the explanation as JSON" },
];
