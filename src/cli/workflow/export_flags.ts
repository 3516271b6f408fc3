import { ENGINES } from "../../workflow/export/engines.ts";
import type { Flag } from "../command.ts";

/** Options of `workflow export`. */
export const EXPORT_FLAGS: readonly Flag[] = [
  {
    name: "to",
    valueName: "ENGINE",
    choices: ENGINES,
    help: "Engine of an exported file: gitlab, github or argo",
    group: "Output",
  },
  {
    name: "output",
    valueName: "FILE",
    help: "File for the exported workflow (standard output)",
    group: "Output",
  },
];

/**
 * Options of `workflow job`, which only exported files use.
 */
export const EXPORTED_JOB_FLAGS: readonly Flag[] = [
  {
    name: "need",
    valueName: "JOB=VARIABLES",
    isRepeatable: true,
    isHidden: true,
    help: "Needed job, and the variables that contain its results",
  },
  {
    name: "item",
    valueName: "INDEX",
    isHidden: true,
    help: "Only item of for_each that runs",
  },
  {
    name: "result-file",
    valueName: "FILE",
    isHidden: true,
    help: "File for the result",
  },
  {
    name: "result-name",
    valueName: "NAME",
    isHidden: true,
    help: "Name before the result and an equals sign",
  },
  {
    name: "artifact-store",
    valueName: "DIRECTORY",
    isHidden: true,
    help: "Directory for artifacts, unless a store is set",
  },
];
