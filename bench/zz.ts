import { sandbox } from "./sandbox.ts";
import { hold, table } from "./measure.ts";
import { takeProcessorTime } from "./programs.ts";
takeProcessorTime();
const d = await Deno.makeTempDir();
const c = await sandbox(d);
const n = await hold(c, Number(Deno.args[0]));
console.log(table(c, n));
for (const [k, v] of n) {
  console.log(
    k,
    v.toSorted((a, b) => a - b).map((x) => x.toFixed(2)).join(" "),
  );
}
Deno.exit(0);
