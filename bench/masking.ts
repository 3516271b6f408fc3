import { type LogFile, makeSecrets } from "./log_file.ts";
import type { Benchmark, Comparison } from "./measure.ts";
import {
  bareLoop,
  isAvailable,
  maskFloor,
  measureTime,
  pinToProcessor,
  pipeInto,
  runnerlib,
} from "./programs.ts";

/**
 * Speed at which the runner masks a log, by the number of secrets and with many
 * matches, compared with ripgrep.
 *
 * @param directory Directory to work in.
 * @param log A log without secrets.
 * @param dense A log that is full of secrets.
 * @returns The benchmark.
 */
export async function masking(
  directory: string,
  log: LogFile,
  dense: LogFile,
): Promise<Benchmark> {
  const reader = "cat >/dev/null";
  const programs: Record<string, string[]> = {
    "run cat": runnerlib(`cat ${log.name}`),
    "10 secrets": maskingRun(10, log),
    "100 secrets": maskingRun(100, log),
    "1000 secrets": maskingRun(1000, log),
    "100 secrets, dense": maskingRun(100, dense),
    "bare loop": bareLoop("cat", log.name),
    "bare search, 10": maskFloor(10, "cat", log.name),
    "bare search, 100": maskFloor(100, "cat", log.name),
    "bare search, 1000": maskFloor(1000, "cat", log.name),
  };
  const comparisons: Comparison[] = [
    { subject: "100 secrets", floor: "run cat", goal: "G5" },
    { subject: "1000 secrets", floor: "run cat", goal: "G6" },
    { subject: "1000 secrets", floor: "10 secrets", goal: "G6 few" },
    { subject: "100 secrets, dense", floor: "100 secrets", goal: "G8" },
    { subject: "bare search, 100", floor: "bare loop" },
    { subject: "bare search, 1000", floor: "bare loop" },
    { subject: "bare search, 1000", floor: "bare search, 10" },
    { subject: "100 secrets", floor: "bare search, 100" },
    { subject: "1000 secrets", floor: "bare search, 1000" },
  ];
  if (isAvailable("rg", "--version")) {
    for (const count of [100, 1000]) {
      const file = `secrets-${count}`;
      await Deno.writeTextFile(
        `${directory}/${file}`,
        makeSecrets(count).join("\n"),
      );
      // Its exit code is 1 if nothing was replaced.
      const replace =
        `rg --no-config -N --passthru -F -f ${file} -r X; [ $? -le 1 ]`;
      programs[`rg, ${count}`] = ["sh", "-c", `cat ${log.name} | ${replace}`];
      comparisons.push({
        subject: `${count} secrets`,
        floor: `rg, ${count}`,
        goal: "G7",
      });
    }
  }
  return {
    title: "Masking",
    unit: "ms",
    variants: Object.entries(programs).map(([name, argv]) => ({
      name,
      measure: () =>
        measureTime(pinToProcessor(pipeInto(reader, argv)), directory),
    })),
    comparisons,
  };
}

function maskingRun(secretCount: number, log: LogFile): string[] {
  const secrets = makeSecrets(secretCount).join(",");
  return runnerlib(`cat ${log.name}`, "--secret-values-list", secrets);
}
