/** Body of a test or a hook. */
export type Body = () => void | Promise<void>;
/** Groups the tests that its body declares. */
export function describe(name: string, body: () => void): void;
/** Declares a test. */
export function it(name: string, body: Body): void;
/** Runs once, before the first test of the group. */
export function beforeAll(body: Body): void;
/** Runs before each test of the group. */
export function beforeEach(body: Body): void;
/** Runs after each test of the group. */
export function afterEach(body: Body): void;
/** Runs once, after the last test of the group. */
export function afterAll(body: Body): void;
