/** Constructor of an error, abstract ones included. */
// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** Thrown by every assertion that does not hold. */
export class AssertionError extends Error {}
/** Asserts that a value is truthy. */
export function assert(expr: unknown, msg?: string): asserts expr;
/** Asserts deep equality. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
/** Asserts deep inequality. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
/** Asserts identity. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T;
/** Asserts that a value is neither `null` nor `undefined`. */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T>;
/** Asserts that a value is an instance of a class. */
// deno-lint-ignore no-explicit-any
export function assertInstanceOf<
  T extends abstract new (...args: any[]) => any,
>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T>;
/** Asserts that a text holds another one. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void;
/** Asserts that a text matches. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void;
/** Asserts that a text does not match. */
export function assertNotMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void;
/** Asserts that an object has at least the given parts. */
// deno-lint-ignore no-explicit-any
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void;
/** Asserts that an array holds the given members. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  msg?: string,
): void;
/** Asserts that a number is greater. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
/** Asserts that a number is less. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void;
/** Asserts that a function throws. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that a function throws an error of a class. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
/** Asserts that a promise rejects. */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/** Asserts that a promise rejects with an error of a class. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
/** Fails. */
export function fail(msg?: string): never;
