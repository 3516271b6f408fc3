import { describeMachine } from "./machine.ts";
import {
  type Benchmark,
  formatTable,
  type GoalRatio,
  listGoalRatios,
  type Samples,
} from "./measure.ts";
import { plot } from "./plot.ts";

/** Results of a run of the benchmarks. */
export class Results {
  readonly #texts: string[] = [];
  readonly #bars: GoalRatio[] = [];

  /** Prints a text and adds it to the results. */
  addText(text: string): void {
    this.#texts.push(text);
    console.log(`${text}\n`);
  }

  /** Prints the table of a benchmark and adds it to the results. */
  addBenchmark(benchmark: Benchmark, samples: Samples): void {
    this.addText(formatTable(benchmark, samples));
    this.#bars.push(...listGoalRatios(benchmark, samples));
  }

  /**
   * Writes `results.md` and `results.svg`.
   *
   * @param directory Directory to write to.
   * @param scope Description of what was measured.
   */
  async write(directory: string, scope: string): Promise<void> {
    const machine = await describeMachine();
    const page = [
      "# Results",
      `Written by \`deno task bench --write\`; ${scope}. Ours and each floor were measured in the same run, and only the ratios carry over to another machine.`,
      "| | |\n| --- | --- |\n" +
      [...machine].map((fact) => `| ${fact.join(" | ")} |`).join("\n"),
      ...this.#bars.length > 0
        ? ["![Ratios and their goals](results.svg)"]
        : [],
      ...this.#texts.map((text) => "```text\n" + text + "\n```"),
    ];
    const files = {
      [`${directory}/results.md`]: `${page.join("\n\n")}\n`,
      [`${directory}/results.svg`]: plot(this.#bars),
    };
    for (const [path, text] of Object.entries(files)) {
      await Deno.writeTextFile(path, text);
    }
    await new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--quiet", ...Object.keys(files)],
    }).output();
  }
}
