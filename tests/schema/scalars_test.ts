import { assertEquals } from "@std/assert";
import { decimalPattern, integerPattern } from "../../src/schema/scalars.ts";
import { Random } from "../helpers/random.ts";

Deno.test("integerPattern() matches exactly the numbers of a range", () => {
  const random = new Random();
  const ranges = [[0, 0], [0, 9], [1, 100], [1, 255], [80, 1_024], [99, 101]];
  for (let round = 0; round < 50; round++) {
    const minimum = random.below(500);
    ranges.push([minimum, minimum + random.below(2_000)]);
  }
  for (const [minimum, maximum] of ranges) {
    const pattern = new RegExp(`^${integerPattern(minimum, maximum)}$`);
    for (let value = 0; value < 3_000; value++) {
      const isInside = value >= minimum && value <= maximum;
      const where = `${value} of ${minimum}-${maximum}, seed ${random.seed}`;
      assertEquals(pattern.test(`${value}`), isInside, where);
      assertEquals(pattern.test(`00${value}`), isInside, where);
    }
  }
});

Deno.test("decimalPattern() also matches fractions", () => {
  const pattern = new RegExp(`^${decimalPattern(1, 10)}$`);
  for (const right of ["1", "1.0", "1.99", "9.999", "10", "10.0", "010"]) {
    assertEquals(pattern.test(right), true, right);
  }
  for (
    const wrong of ["0", "0.9", "10.01", "11", "1.", ".5", "-1", "1e1", ""]
  ) {
    assertEquals(pattern.test(wrong), false, wrong);
  }
});
