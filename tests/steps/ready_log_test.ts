import { assertEquals } from "@std/assert";
import { bareLog } from "../../src/output/job_log.ts";
import { watchLog } from "../../src/steps/readiness.ts";
import { Random } from "../helpers/random.ts";

const nowhere = { write: () => Promise.resolve() };

/** Writes a text in parts of random sizes, and says whether it was found. */
async function isFound(
  text: string,
  texts: string[],
  partBytes: () => number,
): Promise<boolean> {
  const { log, isFound } = watchLog(bareLog(nowhere, nowhere), texts);
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    const end = at + partBytes();
    await log.stdout.write(bytes.subarray(at, end));
    at = end;
  }
  return isFound();
}

Deno.test("watchLog() finds texts as a regular expression would, however the output is cut", async () => {
  const random = new Random();
  const word = (letters: string, length: number) =>
    random.text(random.below(length), letters);
  for (let round = 0; round < 2_000; round++) {
    const text = word("aabé\n", 30);
    const pattern = word("aabé*", 5);
    const naive = text.split("\n").some((line) =>
      new RegExp(pattern.replaceAll("*", ".*")).test(line)
    );
    // Nothing is found before something is printed.
    if (text === "") continue;
    assertEquals(
      await isFound(text, [pattern], () => 1 + random.below(6)),
      naive,
      JSON.stringify({ text, pattern, seed: random.seed }),
    );
  }
});

Deno.test("watchLog() looks past colors, and at both streams", async () => {
  const all = () => 1_000;
  assertEquals(
    await isFound("\x1b[32mListening\x1b[0m on 80", ["Listening on *"], all),
    true,
  );
  const { log, isFound: isFoundNow } = watchLog(bareLog(nowhere, nowhere), [
    "no",
    "up",
  ]);
  await log.stderr.write(new TextEncoder().encode("it is u"));
  assertEquals(isFoundNow(), false);
  await log.stderr.write(new TextEncoder().encode("p"));
  assertEquals(isFoundNow(), true);
});

Deno.test("watchLog() takes linear time for a text that a backtracking search would not", async () => {
  const pattern = "a*".repeat(30) + "b";
  const line = "a".repeat(50_000);
  assertEquals(await isFound(line, [pattern], () => 10_000), false);
});
