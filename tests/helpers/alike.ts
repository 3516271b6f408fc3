import type { CliResult } from "./cli.ts";

/**
 * A workflow with all that its graph can do: items, retries, failures,
 * conditions, outputs, secrets and steps.
 */
export const WORKFLOW = `
name: eight
vars: { base: 1 }
jobs:
  matrix:
    raw_command: true
    command: echo "item $ITEM"
    for_each: [x, "1.50"]
  version:
    raw_command: true
    command: |
      echo '{"outputs":{"number":"1.2"},"vars":{"v":[2]}}' > "$RC_WF_OUTPUT_FILE"
  build:
    needs: [matrix, version]
    command: |
      for part in '"base":1' '"v":[2]' '"version.number":"1.2"'; do
        case $RC_WF_VARS_JSON in *"$part"*) ;; *) exit 9 ;; esac
      done
      echo "built with $FLAGS" '$$(HOME)' '$$'
    environment: { FLAGS: "$(HOME) $$ 1" }
  secret:
    raw_command: true
    command: echo "token $TOKEN"; for i in 1 2 3; do echo again $i; done
    environment: { TOKEN: s3cr3t-t0k3n-of-a-job }
    secret_env_names: [TOKEN]
  flaky:
    steps:
      - name: first
        run: |
          echo "try of $WHO"; [ -e tried ] || { touch tried; exit 1; }
          echo '{"outputs":{"tries":"2"}}' > "$RC_WF_OUTPUT_FILE"
        retry: { attempts: 2, delay: 1ms }
      - { name: second, depends_on: [first], run: "echo second step" }
    environment: { WHO: steps }
  broken:
    raw_command: true
    command: echo it breaks; exit 3
  mend:
    needs: broken
    condition: any_failed
    raw_command: true
    command: echo mending
  never:
    needs: [broken, build]
    command: echo never
  report:
    needs: [never, mend, flaky]
    condition: always
    raw_command: true
    command: |
      case $RC_WF_VARS_JSON in *'"flaky.tries":"2"'*) echo reporting ;; esac
`;

/** The output and the files of a run, without their times. */
export interface RunResult {
  readonly code: number;
  /** Steps of the record, as planned and as ended. */
  readonly planned: readonly unknown[];
  readonly ended: readonly unknown[];
  /** Last event of the record. */
  readonly status: readonly unknown[];
  readonly table: readonly string[];
  /** Lines that jobs printed. */
  readonly log: readonly string[];
  /** How each job of the saved state has ended. */
  readonly states: readonly unknown[];
}

/** Reads the output of a run in a directory, and the files that it left. */
export async function readRunResult(
  path: string,
  { code, stdout, stderr }: CliResult,
): Promise<RunResult> {
  const record = await Deno.readTextFile(
    `${path}/.reactorcide/workflow/run.jsonl`,
  ).catch((cause) => {
    throw new Error(`The run has left no record: ${stderr}`, { cause });
  });
  const events = record.trimEnd().split("\n").map((line) => JSON.parse(line));
  const ended = events.filter(({ event }) => event === "step.ended")
    .map(({ step, outcome, conclusion, exitCode, reason }) => ({
      ...{ step, outcome, conclusion, exitCode, reason },
    }))
    .sort((a, b) => a.step < b.step ? -1 : 1);
  const planned = events.find(({ event }) => event === "run.planned")?.steps;
  const last = events.at(-1);
  const { jobs } = JSON.parse(
    await Deno.readTextFile(`${path}/.reactorcide/workflow-state.json`),
  ) as {
    jobs: Record<string, { status: string; exitCode: number | null }>;
  };
  return {
    code,
    planned,
    ended,
    status: [last.event, last.status, last.exitCode],
    table: stderr.slice(stderr.indexOf("\n\n") + 2).split("\n")
      .filter((line) => /^[✓✗–] .* {2}/.test(line))
      .map((line) => line.replace(/ +(?:[\d.]+s|–)(?= {2}|$)/, "")),
    log: stdout.split("\n")
      .filter((line) =>
        / \| (?:\w+ +\| )?(item|built|token|again|try|second|it breaks|mending|reporting)/
          .test(line)
      )
      .sort(),
    states: Object.entries(jobs)
      .map(([key, { status, exitCode }]) => [key, status, exitCode])
      .sort(),
  };
}
