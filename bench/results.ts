import { describeMachine } from "./machine.ts";
import { type Contest, type Numbers, ratiosOf, table } from "./measure.ts";
import { type Bar, plot } from "./plot.ts";

/** Results of a run of the benchmarks. */
export class Results {
  readonly #texts: string[] = [];
  readonly #bars: Bar[] = [];

  /** Prints a text and adds it to the results. */
  tell(text: string): void {
    this.#texts.push(text);
    console.log(`${text}\n`);
  }

  /** Prints the table of a contest and adds it to the results. */
  add(contest: Contest, numbers: Numbers): void {
    this.tell(table(contest, numbers));
    this.#bars.push(...ratiosOf(contest, numbers));
  }

  /**
   * Writes `results.md` and `results.svg`.
   *
   * @param directory Directory to write to.
   * @param extent Description of what was measured.
   */
  async write(directory: string, extent: string): Promise<void> {
    const machine = await describeMachine();
    const page = [
      "# Results",
      `Written by \`deno task bench --write\`; ${extent}. Ours and each floor were measured in the same run, and only the ratios carry over to another machine.`,
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
