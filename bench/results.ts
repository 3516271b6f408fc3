import { describeMachine } from "./machine.ts";
import { type Contest, type Numbers, ratiosOf, table } from "./measure.ts";
import { type Bar, plot } from "./plot.ts";

/** What a run of the benchmarks has found. */
export class Results {
  readonly #texts: string[] = [];
  readonly #bars: Bar[] = [];

  /** Keeps a text, and prints it. */
  tell(text: string): void {
    this.#texts.push(text);
    console.log(`${text}\n`);
  }

  /** Keeps the numbers of a contest, and prints its table. */
  add(contest: Contest, numbers: Numbers): void {
    this.tell(table(contest, numbers));
    this.#bars.push(...ratiosOf(contest, numbers));
  }

  /**
   * Writes `results.md` and `results.svg`.
   *
   * @param directory Directory to write to.
   * @param extent How much was measured, in words.
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
