import { assertEquals, assertThrows } from "@std/assert";
import { RunnerError } from "../../../src/errors.ts";
import { passVariables } from "../../../src/job/container/variables.ts";

Deno.test("passVariables() writes a line for each variable, without quotes", () => {
  assertEquals(
    passVariables({ A: "1", "B-C": ` "x" #=$y`, EMPTY: "" }, {}),
    { file: `A=1\nB-C= "x" #=$y\nEMPTY=\n`, direct: {} },
  );
});

Deno.test("passVariables() keeps out of the file what its readers would change", () => {
  const long = "x".repeat(70_000);
  const direct = { LF: "a\nPATH=/evil", CR: "a\r", LONG: long };
  assertEquals(passVariables({ A: "1", ...direct }, {}), {
    file: "A=1\n",
    direct,
  });
});

Deno.test("passVariables() never changes the environment of the engine", () => {
  const env = { PATH: "/bin", SAME: "a\nb" };
  assertEquals(passVariables({ SAME: "a\nb", PATH: "/x" }, env), {
    file: "PATH=/x\n",
    direct: { SAME: "a\nb" },
  });
  const error = assertThrows(
    () => passVariables({ PATH: "/evil\n" }, env),
    RunnerError,
  );
  assertEquals(
    error.message,
    `Cannot give variable "PATH" to a container: the engine itself has one of this name`,
  );
});

Deno.test("passVariables() refuses names that mean something else in the file", () => {
  for (const name of ["#A", "A B", " A", "A\nB", "A*", "*", "A=B", ""]) {
    assertThrows(
      () => passVariables({ [name]: "1" }, {}),
      RunnerError,
      "an engine does not take this name",
    );
  }
});
