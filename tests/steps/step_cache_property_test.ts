import { assertEquals } from "@std/assert";
import { cachedJob } from "../helpers/cached_job.ts";
import { Random } from "../helpers/random.ts";

/** Number of random edits. */
const EDITS = Number(Deno.env.get("STEP_CACHE_EDITS") ?? 60);

/** Number of edits after which the files get old enough to be remembered. */
const EDITS_PER_AGE = 30;

/** Age of a file whose hash is remembered, and a bit more, in milliseconds. */
const AGE_MS = 2_100;

/** How far the clock jumps, in milliseconds. */
const JUMPS = [-86_400_000, -3_000, 3_000, 86_400_000];

const NAMES = ["a", "b", "c d", "é", "sub/a", "sub/deep/b"];
const CONTENTS = ["", "one\n", "two\n"];

/** A file of the project: its content and mode, or the target of a link. */
type ModelFile =
  | { readonly content: string; readonly mode: number }
  | { readonly target: string };

/** The project, and all states in which its steps have run. */
interface Model {
  readonly files: Map<string, ModelFile>;
  command: string;
  variable: string;
  readonly seen: Set<string>;
}

/** The result of a run of the project, and what it depends on. */
interface Expected {
  readonly outputs: Record<string, string>;
  /** For each step, everything that its result depends on. */
  readonly states: Record<string, string>;
}

const contentOf = ({ files }: Model, file: ModelFile): string =>
  "target" in file
    ? contentOf({ files } as Model, files.get(`in/${file.target}`)!)
    : file.content;

/** Computes the result of a run without a cache. */
function expectedOf(model: Model): Expected {
  const inputs = [...model.files].filter(([path]) => path.startsWith("in/"))
    .sort(([a], [b]) => a < b ? -1 : 1);
  const outputs: Record<string, string> = {};
  let count = 0;
  for (const [path, file] of inputs) {
    const mode = "target" in file
      ? (model.files.get(`in/${file.target}`) as { mode: number }).mode
      : file.mode;
    outputs[`out/${path.slice(3)}`] = `${mode.toString(8)} ${
      contentOf(model, file)
    }${model.command}\n`;
    count++;
  }
  const copy = JSON.stringify([
    inputs.map(([path, file]) => [path, file, contentOf(model, file)]),
    model.command,
  ]);
  const uses = JSON.stringify([outputs, count, model.variable]);
  outputs["sum/count"] = `644 ${count} ${model.variable}\n`;
  return { outputs, states: { copy: `copy ${copy}`, sum: `sum ${uses}` } };
}

Deno.test("cached runs produce what clean runs produce, and run only steps with a new key", async () => {
  const random = new Random(
    Number(Deno.env.get("STEP_CACHE_SEED")) || undefined,
  );
  console.log(`STEP_CACHE_SEED=${random.seed}`);
  const model: Model = {
    files: new Map(),
    command: "x",
    variable: "1",
    seen: new Set(),
  };
  await using job = await cachedJob({});
  const set = async (path: string, file: ModelFile) => {
    const place = `${job.cwd}/${path}`;
    await Deno.mkdir(place.slice(0, place.lastIndexOf("/")), {
      recursive: true,
    });
    await Deno.remove(place).catch(() => {});
    if ("target" in file) await Deno.symlink(file.target, place);
    else {
      await Deno.writeTextFile(place, file.content);
      await Deno.chmod(place, file.mode);
    }
    model.files.set(path, file);
  };
  const anyFile = () => ({
    content: random.pick(CONTENTS),
    mode: random.pick([0o644, 0o755]),
  });
  // At least one input always exists, to which a link may lead.
  await set("in/first", anyFile());
  const edits: (() => Promise<void> | void)[] = [
    () => set(`in/${random.pick(NAMES)}`, anyFile()),
    () => set("in/first", anyFile()),
    () => set("in/link", { target: "first" }),
    () => set("other", anyFile()),
    async () => {
      const name = `in/${random.pick(NAMES)}`;
      if (!model.files.delete(name)) return;
      await Deno.remove(`${job.cwd}/${name}`);
    },
    async () => {
      const [from, to] = [random.pick(NAMES), random.pick(NAMES)];
      const file = model.files.get(`in/${from}`);
      if (file === undefined || from === to) return;
      await set(`in/${to}`, file);
      await Deno.remove(`${job.cwd}/in/${from}`);
      model.files.delete(`in/${from}`);
    },
    () => void (model.command = random.pick(["x", "y"])),
    () => void (model.variable = random.pick(["1", "2"])),
    // None of these changes what a step depends on.
    () => Deno.remove(`${job.cwd}/out`, { recursive: true }).catch(() => {}),
    () => Deno.remove(`${job.cwd}/sum/count`).catch(() => {}),
    () => Deno.writeTextFile(`${job.cwd}/out/first`, "broken").catch(() => {}),
    () => Deno.utime(`${job.cwd}/in/first`, 1_000, random.below(1_000)),
    () =>
      Deno.remove(`${job.directory}/user`, { recursive: true }).catch(() => {}),
  ];
  const forgets = edits.at(-1);
  /** Returns the path of a regular input. */
  const anyInput = () => {
    const paths = [...model.files].flatMap(([path, file]) =>
      path.startsWith("in/") && "content" in file ? [path] : []
    );
    return random.pick(paths);
  };
  const fileAt = (path: string) =>
    model.files.get(path) as { content: string; mode: number };
  /** Writes into a file, which keeps its inode, its size and its times. */
  const rewrite = async (path: string, place = `${job.cwd}/${path}`) => {
    const { content, mode } = fileAt(path);
    const other = { "one\n": "two\n", "two\n": "one\n" }[content] ?? content;
    const { atime, mtime } = await Deno.stat(place);
    await Deno.writeTextFile(place, other);
    await Deno.utime(place, atime!, mtime!);
    model.files.set(path, { content: other, mode });
  };
  edits.push(
    () => rewrite(anyInput()),
    () => rewrite(anyInput()),
    async () => {
      // By another name of the same file.
      const path = anyInput();
      const alias = `${job.directory}/alias`;
      await Deno.link(`${job.cwd}/${path}`, alias);
      await rewrite(path, alias);
      await Deno.remove(alias);
    },
    async () => {
      // A new file that looks like the old one.
      const path = anyInput();
      const place = `${job.cwd}/${path}`;
      const { atime, mtime } = await Deno.stat(place);
      const copy = `${job.directory}/copy`;
      await Deno.copyFile(place, copy);
      await rewrite(path, copy);
      await Deno.utime(copy, atime!, mtime!);
      await Deno.rename(copy, place);
    },
    async () => {
      const [one, other] = [anyInput(), anyInput()];
      if (one === other) return;
      const [a, b] = [fileAt(one), fileAt(other)];
      const aside = `${job.directory}/aside`;
      await Deno.rename(`${job.cwd}/${one}`, aside);
      await Deno.rename(`${job.cwd}/${other}`, `${job.cwd}/${one}`);
      await Deno.rename(aside, `${job.cwd}/${other}`);
      model.files.set(one, b);
      model.files.set(other, a);
    },
    async () => {
      const path = anyInput();
      const mode = random.pick([0o644, 0o755]);
      await Deno.chmod(`${job.cwd}/${path}`, mode);
      model.files.set(path, { ...fileAt(path), mode });
    },
    // None of these changes what a step depends on.
    () => Deno.utime(`${job.cwd}/in`, random.below(1_000), 1_000),
    () => Deno.mkdir(`${job.cwd}/in/empty/more`, { recursive: true }),
    async () => {
      const place = `${job.cwd}/${anyInput()}`;
      const { mode } = await Deno.stat(place);
      await Deno.chmod(place, 0o600);
      await Deno.chmod(place, mode! & 0o777);
    },
    async () => {
      await Deno.rename(`${job.cwd}/in`, `${job.directory}/moved`);
      await Deno.rename(`${job.directory}/moved`, `${job.cwd}/in`);
    },
  );
  const { now } = Date;
  for (let count = 0; count < EDITS; count++) {
    const edit = random.pick(edits);
    // Without the memory, it is not known what earlier runs created.
    if (edit === forgets) {
      await Deno.remove(`${job.cwd}/out`, { recursive: true }).catch(() => {});
    }
    await edit();
    if (count % EDITS_PER_AGE === 0) {
      await new Promise((resolve) => setTimeout(resolve, AGE_MS));
    }
    await job.define({
      copy: {
        run: `mkdir -p out
cd in
find . -name '*' '(' -type f -o -type l ')' | while IFS= read -r file; do
  mkdir -p "../out/\${file%/*}"
  cp "$file" "../out/$file"
  echo ${model.command} >> "../out/$file"
done
echo "count=$(find . -type f -o -type l | wc -l)" >> $REACTORCIDE_OUTPUT`,
        cache: { inputs: "in/**", outputs: "out/**" },
      },
      sum: {
        run: "mkdir -p sum; echo $REACTORCIDE_OUTPUT_COPY_COUNT $V > sum/count",
        depends_on: "copy",
        cache: { inputs: "fixed", outputs: "sum/**", env: "V" },
      },
    });
    await Deno.writeTextFile(`${job.cwd}/fixed`, "");
    const jumpMs = random.below(4) === 0 ? random.pick(JUMPS) : 0;
    Date.now = () => now() + jumpMs;
    const { code, ran, stderr } = await job.run(["--cache-explain"], {
      V: model.variable,
    }).finally(() => Date.now = now);
    const { outputs, states } = expectedOf(model);
    const context = `STEP_CACHE_SEED=${random.seed}, edit ${count}\n${stderr}`;
    assertEquals(code, 0, context);
    assertEquals(await outputsIn(job.cwd), outputs, context);
    const fresh = Object.keys(states).filter((step) =>
      !model.seen.has(states[step])
    );
    assertEquals(ran, fresh, context);
    for (const state of Object.values(states)) model.seen.add(state);
  }
});

async function outputsIn(cwd: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = async (path: string) => {
    for await (const { name, isDirectory } of Deno.readDir(`${cwd}/${path}`)) {
      const child = `${path}/${name}`;
      if (isDirectory) {
        await visit(child);
        continue;
      }
      const { mode } = await Deno.lstat(`${cwd}/${child}`);
      const text = await Deno.readTextFile(`${cwd}/${child}`);
      found[child] = `${(mode! & 0o777).toString(8)} ${text}`;
    }
  };
  for (const directory of ["out", "sum"]) await visit(directory);
  return found;
}
