import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { prometheusReport } from "../../src/report/formats/prometheus.ts";
import { readRecord, type RunRecord } from "../../src/report/run_record.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { Random } from "../helpers/random.ts";
import { recordLine, startedLine } from "../helpers/record_lines.ts";
import { runMain } from "../helpers/run_main.ts";
import { readOutput } from "../helpers/running.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const HOSTILE = 'a "name" \\ of\n{two="lines"} 7';

function run(status: string, durationMs: number, name = "app"): RunRecord {
  const started = startedLine({ id: crypto.randomUUID(), name });
  const ended = recordLine("run.ended", 1, { status, exitCode: 0, durationMs });
  return readRecord(`${started}\n${ended}`)!;
}

function valueOf(text: string, series: string): number {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return Number(line?.slice(series.length));
}

function labels(result: string): string {
  return `cicd_pipeline_name="app",cicd_pipeline_result="${result}",cicd_pipeline_run_state="executing"`;
}

describe("prometheusReport()", () => {
  it("adds up the runs", () => {
    const random = new Random();
    const runs = Array.from({ length: 50 }, () => ({
      status: random.pick(["success", "failed", "timeout"]),
      ms: random.below(200_000),
    }));
    const text = runs.reduce(
      (previous, { status, ms }) => prometheusReport(run(status, ms), previous),
      "",
    );
    for (
      const [status, result] of [
        ["success", "success"],
        // No step has failed.
        ["failed", "error"],
        ["timeout", "timeout"],
      ]
    ) {
      const own = runs.filter((one) => one.status === status);
      const name = "cicd_pipeline_run_duration_seconds";
      assertEquals(
        valueOf(text, `${name}_count{${labels(result)}}`) || 0,
        own.length,
      );
      for (const limit of [1, 60, 120]) {
        assertEquals(
          valueOf(text, `${name}_bucket{${labels(result)},le="${limit}"}`) || 0,
          own.filter(({ ms }) => ms <= limit * 1000).length,
          `seed ${random.seed}`,
        );
      }
      if (result === "success") continue;
      const errors =
        `cicd_pipeline_run_errors_total{cicd_pipeline_name="app",error_type="${result}"}`;
      assertEquals(valueOf(text, errors) || 0, own.length);
    }
  });

  it("starts over if it does not understand the earlier metrics", () => {
    const text = prometheusReport(run("success", 10));
    for (const previous of ["garbage", "a b c\n{} 1\n", "x NaN\n", "\0"]) {
      assertEquals(prometheusReport(run("success", 10), previous), text);
    }
  });

  it("writes text that promtool accepts, for any name", async () => {
    if (isProgramMissing("promtool")) return;
    const text = prometheusReport(run("failed", 5, HOSTILE));
    const again = prometheusReport(run("failed", 5, HOSTILE), text);
    assertEquals(again.split("\n").length, text.split("\n").length);
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "a.prom": again });
    const said = await readOutput(
      `promtool check metrics <${directory.path}/a.prom && echo accepted`,
    );
    assertEquals(said, "accepted\n");
  });
});

describe("a run with a report for Prometheus", () => {
  it("adds to the file of other runs at the same time, for a real exporter", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const file = `${path}/metrics/app.prom`;
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const cwd = `${path}/${index}/app`;
        await Deno.mkdir(cwd, { recursive: true });
        await runMain(
          ["run", "--job-command", "true", `--report=prometheus=${file}`],
          { cwd },
        );
      }),
    );
    const text = await Deno.readTextFile(file);
    const count = `cicd_pipeline_run_duration_seconds_count{${
      labels("success")
    }}`;
    assertEquals(valueOf(text, count), 8);
    if (isProgramMissing("prometheus-node-exporter")) return;
    const exported = await exporterOutput(`${path}/metrics`);
    assertMatch(exported, /node_textfile_scrape_error 0/);
    assert(exported.includes(`${count} 8`), exported);
  });
});

/**
 * Returns the metrics that the exporter of the system reads from a directory.
 */
async function exporterOutput(directory: string): Promise<string> {
  const socket = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  await using exporter = new Deno.Command("prometheus-node-exporter", {
    args: [
      "--collector.disable-defaults",
      "--collector.textfile",
      `--collector.textfile.directory=${directory}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  for (let attempt = 0;; attempt++) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`);
      const text = await response.text();
      exporter.kill();
      return text;
    } catch (error) {
      if (attempt === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
