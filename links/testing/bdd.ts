/**
 * The part of `@std/testing/bdd` that the tests use, built on `Deno.test`: a
 * top-level suite is a test, everything inside is a step of it. Deno's
 * sanitizers therefore watch each `it` on its own, as with the real module.
 */

type Body = () => void | Promise<void>;

interface Hooks {
  beforeAll: Body[];
  beforeEach: Body[];
  afterEach: Body[];
  afterAll: Body[];
}

interface Suite extends Hooks {
  name: string;
  parent: Suite | undefined;
  children: (Suite | Case)[];
}

interface Case {
  name: string;
  body: Body;
}

let current: Suite | undefined;

/** Groups the tests that its body declares. */
export function describe(name: string, body: () => void): void {
  const parent = current;
  const suite: Suite = {
    name,
    parent,
    children: [],
    beforeAll: [],
    beforeEach: [],
    afterEach: [],
    afterAll: [],
  };
  current = suite;
  try {
    body();
  } finally {
    current = parent;
  }
  if (parent === undefined) Deno.test(name, (test) => runSuite(suite, test));
  else parent.children.push(suite);
}

/** Declares a test. */
export function it(name: string, body: Body): void {
  if (current === undefined) Deno.test(name, body);
  else current.children.push({ name, body });
}

/** Runs once, before the first test of the group. */
export function beforeAll(body: Body): void {
  enclosing("beforeAll").beforeAll.push(body);
}

/** Runs before each test of the group. */
export function beforeEach(body: Body): void {
  enclosing("beforeEach").beforeEach.push(body);
}

/** Runs after each test of the group. */
export function afterEach(body: Body): void {
  enclosing("afterEach").afterEach.push(body);
}

/** Runs once, after the last test of the group. */
export function afterAll(body: Body): void {
  enclosing("afterAll").afterAll.push(body);
}

function enclosing(hook: keyof Hooks): Suite {
  if (current === undefined) {
    throw new Error(`Cannot register ${hook}(): not inside describe()`);
  }
  return current;
}

async function runSuite(suite: Suite, test: Deno.TestContext): Promise<void> {
  try {
    await runAll(suite.beforeAll);
    for (const child of suite.children) {
      const run = "children" in child
        ? (step: Deno.TestContext) => runSuite(child, step)
        : () => runCase(child, suite);
      await test.step(child.name, run);
    }
  } finally {
    await runAll(suite.afterAll);
  }
}

/** Hooks of outer suites run first before a test, and last after it. */
async function runCase({ body }: Case, suite: Suite): Promise<void> {
  const suites: Suite[] = [];
  for (let at: Suite | undefined = suite; at; at = at.parent) suites.push(at);
  try {
    for (const { beforeEach } of suites.toReversed()) await runAll(beforeEach);
    await body();
  } finally {
    for (const { afterEach } of suites) await runAll(afterEach);
  }
}

async function runAll(bodies: readonly Body[]): Promise<void> {
  for (const body of bodies) await body();
}
