import * as test from "node:test";

/** Body of a test or a hook. */
type Body = () => void | Promise<void>;

/** Groups the tests that its body declares. */
export const describe: (name: string, body: () => void) => void = test.describe;
/** Declares a test. */
export const it: (name: string, body: Body) => void = test.it;
/** Runs once, before the first test of the group. */
export const beforeAll: (body: Body) => void = test.before;
/** Runs before each test of the group. */
export const beforeEach: (body: Body) => void = test.beforeEach;
/** Runs after each test of the group. */
export const afterEach: (body: Body) => void = test.afterEach;
/** Runs once, after the last test of the group. */
export const afterAll: (body: Body) => void = test.after;
