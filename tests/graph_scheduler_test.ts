import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  findCycle,
  linkNodes,
  schedule,
  topologicalOrder,
} from "../src/graph_scheduler.ts";
import { Random } from "./helpers/random.ts";

/** A graph from names and what they depend on. */
function graphOf(graph: Readonly<Record<string, readonly string[]>>) {
  return linkNodes(
    Object.entries(graph).map(([group, dependsOn]) => ({ group, dependsOn })),
  );
}

/** Nodes of few groups that depend on groups that come earlier, or on any. */
function randomNodes(random: Random, mayCycle: boolean) {
  return Array.from({ length: 1 + random.below(12) }, (_, at) => ({
    group: `g${Math.floor(at / 2)}`,
    dependsOn: Array.from({ length: 7 }, (_, group) => group)
      .filter((group) => mayCycle || group < Math.floor(at / 2))
      .filter(() => random.below(5) === 0)
      .map((group) => `g${group}`),
  }));
}

describe("topologicalOrder()", () => {
  it("sorts nodes after whole groups, and omits nodes that never become ready", () => {
    const random = new Random();
    for (let round = 0; round < 1_000; round++) {
      const nodes = randomNodes(random, round % 2 === 0);
      const order = topologicalOrder(linkNodes(nodes));
      const expected: number[] = [];
      for (let count = -1; count !== expected.length;) {
        count = expected.length;
        nodes.forEach(({ dependsOn }, node) => {
          if (expected.includes(node)) return;
          const isReady = dependsOn.every((name) =>
            nodes.some(({ group }) => group === name) &&
            nodes.every(({ group }, other) =>
              group !== name || expected.includes(other)
            )
          );
          if (isReady) expected.push(node);
        });
      }
      const context = `seed ${random.seed}: ${JSON.stringify(nodes)}`;
      assertEquals(order.toSorted(), expected.toSorted(), context);
      order.forEach((node, place) => {
        for (const name of nodes[node].dependsOn) {
          nodes.forEach(({ group }, other) => {
            if (group !== name) return;
            assertEquals(order.indexOf(other) < place, true, context);
          });
        }
      });
    }
  });
});

describe("findCycle()", () => {
  it("finds a cycle if, and only if, there is one", () => {
    const random = new Random();
    for (let round = 0; round < 1_000; round++) {
      const nodes = randomNodes(random, round % 2 === 0);
      const known = new Set(nodes.map(({ group }) => group));
      const closed = nodes.map(({ group, dependsOn }) => ({
        group,
        dependsOn: dependsOn.filter((name) => known.has(name)),
      }));
      const graph = linkNodes(closed);
      const cycle = findCycle(graph);
      const context = `seed ${random.seed}: ${JSON.stringify(closed)}`;
      assertEquals(
        cycle !== undefined,
        topologicalOrder(graph).length < nodes.length,
        context,
      );
      cycle?.forEach((name, at) => {
        const next = cycle[(at + 1) % cycle.length];
        const depends = closed.some(({ group, dependsOn }) =>
          group === name && dependsOn.includes(next)
        );
        assertEquals(depends, true, context);
      });
      assertEquals(new Set(cycle).size, cycle?.length ?? 0, context);
    }
  });
});

describe("schedule()", () => {
  for (const shape of ["wide", "chain"] as const) {
    it(`goes through 50,000 nodes, ${shape}, without recursion`, async () => {
      const count = 50_000;
      const graph = linkNodes(
        Array.from({ length: count }, (_, index) => ({
          group: `s${index}`,
          dependsOn: index === 0
            ? []
            : [shape === "chain" ? `s${index - 1}` : "s0"],
        })),
      );
      const order: number[] = [];
      await schedule(graph, {
        concurrency: 2,
        start(step) {
          order.push(step);
          return step % 3 === 0 ? undefined : Promise.resolve();
        },
      });
      assertEquals(order, Array.from({ length: count }, (_, index) => index));
    });
  }

  it("never runs more nodes than its limit", async () => {
    let running = 0;
    let most = 0;
    const graph = graphOf(
      Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`s${i}`, []])),
    );
    await schedule(graph, {
      concurrency: 3,
      async start() {
        most = Math.max(most, ++running);
        for (let turn = 0; turn < 5; turn++) await Promise.resolve();
        running--;
      },
    });
    assertEquals([most, running], [3, 0]);
  });

  it("treats nodes that ended before as ended", async () => {
    const started: number[] = [];
    await schedule(graphOf({ a: [], b: ["a"], c: ["b"], d: [] }), {
      concurrency: 1,
      ended: [1, 3],
      start: (node) => void started.push(node),
    });
    assertEquals(started, [0, 2]);
  });

  it("starts nothing that depends on a node that did not end", async () => {
    const started: number[] = [];
    await schedule(graphOf({ a: [], b: ["a"], c: ["b"], d: [], e: ["?"] }), {
      concurrency: 1,
      start(node) {
        started.push(node);
        return Promise.resolve(node !== 0);
      },
    });
    assertEquals(started, [0, 3]);
  });
});

describe("schedule() with limits of groups", () => {
  it("respects all limits, leaves no slot unused and runs everything", async () => {
    const random = new Random();
    for (let round = 0; round < 300; round++) {
      const groupCount = 1 + random.below(4);
      const limits = Array.from(
        { length: groupCount },
        () => random.pick([undefined, 1, 2]),
      );
      const nodes = Array.from({ length: random.below(20) }, () => {
        const group = random.below(groupCount);
        const dependsOn = random.below(3) === 0 && group > 0
          ? [`${random.below(group)}`]
          : [];
        return { group: `${group}`, dependsOn };
      });
      // A group without nodes never ends.
      const all = [
        ...Array.from(
          { length: groupCount },
          (_, group) => ({ group: `${group}`, dependsOn: [] }),
        ),
        ...nodes,
      ];
      const free = new Set(
        all.keys().filter(() => random.below(10) === 0),
      );
      const skipped = new Set(
        all.keys().filter(() => random.below(10) === 0),
      );
      await checkSchedule(all, {
        concurrency: 1 + random.below(4),
        limitOf: (node) => limits[Number(all[node].group)],
        free,
        skipped,
        random,
      });
    }
  });
});

/** Runs a graph in steps, and checks each state with a model that only counts. */
async function checkSchedule(
  nodes: readonly { group: string; dependsOn: readonly string[] }[],
  { concurrency, limitOf, free, skipped, random }: {
    concurrency: number;
    limitOf: (node: number) => number | undefined;
    free: ReadonlySet<number>;
    skipped: ReadonlySet<number>;
    random: Random;
  },
): Promise<void> {
  const seed = `seed ${random.seed}`;
  const running = new Map<number, () => void>();
  const over = new Set<number>();
  const queued: number[] = [];
  const done = schedule(linkNodes(nodes), {
    concurrency,
    takesSlot: (node) => !free.has(node),
    groupLimit: limitOf,
    onWait: (node) => queued.push(node),
    start(node) {
      assert(!over.has(node) && !running.has(node), seed);
      if (skipped.has(node)) return void over.add(node);
      const { promise, resolve } = Promise.withResolvers<void>();
      running.set(node, resolve);
      return promise;
    },
  });
  while (running.size > 0) {
    const counted = [...running.keys()].filter((node) => !free.has(node));
    assert(counted.length <= concurrency, seed);
    const inGroup = (node: number) =>
      counted.filter((other) => nodes[other].group === nodes[node].group)
        .length;
    for (const node of counted) {
      assert(inGroup(node) <= (limitOf(node) ?? Infinity), seed);
    }
    for (const [node, { dependsOn }] of nodes.entries()) {
      const isReady = dependsOn.every((group) =>
        nodes.every((other, index) => other.group !== group || over.has(index))
      );
      if (!isReady || running.has(node) || over.has(node)) continue;
      // It waits for a reason, which was reported.
      const isFull = counted.length === concurrency ||
        inGroup(node) === limitOf(node);
      assert(!free.has(node) && isFull && queued.includes(node), seed);
    }
    const [node, end] = random.pick([...running]);
    running.delete(node);
    over.add(node);
    end();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
  await done;
  assertEquals(over.size, nodes.length, seed);
  assertEquals(new Set(queued).size, queued.length, seed);
}
