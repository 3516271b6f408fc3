import { assertEquals } from "@std/assert";
import { parseYaml11 } from "../../../src/cli/migration/inspect_definitions.ts";
import { isProgramMissing } from "../../helpers/missing_program.ts";
import { Random } from "../../helpers/random.ts";

Deno.test("parseYaml11() reads plain scalars as YAML 1.1 and writes them as Python", () => {
  // Results of str(yaml.safe_load(…)) with PyYAML 6; strings are left out.
  const rows: Record<string, string> = {
    yes: "True",
    No: "False",
    on: "True",
    OFF: "False",
    true: "True",
    FALSE: "False",
    "~": "None",
    null: "None",
    "": "None",
    "1:30": "90",
    "190:20:30": "685230",
    "010": "8",
    "0x1F": "31",
    "0b101": "5",
    "1_000": "1000",
    "+7": "7",
    "-0": "0",
    "-12": "-12",
    "1.0": "1.0",
    "1.50": "1.5",
    "3.10": "3.1",
    ".5": "0.5",
    "1.0e+3": "1000.0",
    "6.02e+23": "6.02e+23",
    "1.5e-07": "1.5e-07",
    "-.inf": "-inf",
    ".nan": "nan",
    "685_230.15": "685230.15",
    "20:30.15": "1230.15",
    "12345678901234567890": "12345678901234567890",
    "2026-01-02": "2026-01-02",
    "2026-01-02T03:04:05Z": "2026-01-02 03:04:05+00:00",
    "2026-01-02 3:04:05.5 +2": "2026-01-02 03:04:05.500000+02:00",
  };
  for (const [source, text] of Object.entries(rows)) {
    assertEquals(parseYaml11(source)?.text, text, source);
  }
  const texts = ["1e3", "0o17", "1.2.3", "v1.0", "y", "n", "08", "1:60"];
  for (const source of [...texts, "1,000", "9".repeat(1_000_000)]) {
    assertEquals(parseYaml11(source), undefined, source.slice(0, 20));
  }
});

Deno.test({
  name: "parseYaml11() writes numbers as Python does",
  // Compares with real Python, which .ci/run installs.
  ignore: isProgramMissing("python3"),
  async fn() {
    const random = new Random();
    const bits = new DataView(new ArrayBuffer(8));
    const values = Array.from({ length: 2_000 }, () => {
      if (random.below(2) === 0) {
        return (random.below(2_000_001) - 1_000_000) /
          10 ** random.below(12);
      }
      bits.setUint32(0, random.below(2 ** 32));
      bits.setUint32(4, random.below(2 ** 32));
      return bits.getFloat64(0);
    }).filter(Number.isFinite);
    const python = new Deno.Command("python3", {
      args: [
        ...["-E", "-c"],
        "import json, sys\nfor value in json.load(sys.stdin): print(repr(float(value)))",
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = python.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(values)));
    await writer.close();
    const { stdout } = await python.output();
    const expected = new TextDecoder().decode(stdout).trim().split("\n");
    // JSON has no negative zero.
    const texts = values.map((value) =>
      parseYaml11(yamlFloat(value + 0))?.text
    );
    assertEquals(texts, expected, `seed ${random.seed}`);
  },
});

/** Writes a number with a point and an exponent, as YAML 1.1 requires. */
function yamlFloat(value: number): string {
  const [mantissa, exponent] = value.toExponential().split("e");
  return `${mantissa}${mantissa.includes(".") ? "" : "."}e${exponent}`;
}
