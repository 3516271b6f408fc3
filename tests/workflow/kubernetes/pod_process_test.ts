import { assertEquals } from "@std/assert";
import { joinBytes } from "../../../src/bytes.ts";
import { pump } from "../../../src/output/pump.ts";
import { Masker } from "../../../src/secrets/masker.ts";
import { BytePipe } from "../../../src/workflow/kubernetes/pod_process.ts";
import { Random } from "../../helpers/random.ts";

/** Lets other tasks run for a random number of turns. */
async function turns(random: Random): Promise<void> {
  if (random.below(8) === 0) {
    return await new Promise((resolve) => setTimeout(resolve));
  }
  for (let left = random.below(4); left > 0; left--) await undefined;
}

Deno.test("BytePipe passes each byte exactly once, in any order of reads and writes", async () => {
  const random = new Random();
  console.log(`seed ${random.seed}`);
  for (let round = 0; round < 200; round++) {
    const pipe = new BytePipe();
    const seen: Uint8Array[] = [];
    const pumping = pump(pipe.readable, {
      async write(bytes) {
        await turns(random);
        seen.push(bytes.slice());
        await turns(random);
      },
    }, {
      startMask: () => new Masker().stream(),
      stop: new AbortController().signal,
    });
    const sent: Uint8Array[] = [];
    for (let count = random.below(12); count > 0; count--) {
      const size = random.pick([0, 1, 80, 8_192, 65_536, 200_000]);
      const bytes = new Uint8Array(size).fill(97 + random.below(26));
      // The pipe takes the buffer.
      sent.push(bytes.slice());
      await pipe.write(bytes);
      await turns(random);
    }
    // The last bytes may not have been read.
    pipe.close();
    await pumping;
    assertEquals(joinBytes(seen), joinBytes(sent), `round ${round}`);
  }
});

Deno.test("BytePipe does not wait for a reader that is gone", async () => {
  const pipe = new BytePipe();
  const bytes = new Uint8Array(100_000);
  const waiting = pipe.write(bytes);
  await pipe.readable.cancel();
  await waiting;
  await pipe.write(bytes);
  pipe.close();
  pipe.close();
});
