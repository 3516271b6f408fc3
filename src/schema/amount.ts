/**
 * Amounts of CPU and memory in the coordinator's syntax, which is less strict
 * than that of Kubernetes about memory units, and has no exponents.
 *
 * @module
 */

/** CPU: a number of cores with a fraction, or a whole number of millicores. */
export const CPU_PATTERN = /^([0-9]+\.?[0-9]*|\.[0-9]+|[0-9]{1,15}m)$/;

/**
 * Memory: a number, optionally with a unit; only the case of the final `B` is
 * free.
 */
export const MEMORY_PATTERN =
  /^([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTP]i|[KMGTP][Bb]?)?$/;

/** Allowed CPU amounts, for messages. */
export const CPU_WORDS =
  'cores such as 2 or 0.5, or thousandths such as "500m"';

/** Allowed memory amounts, for messages. */
export const MEMORY_WORDS =
  'bytes, or a number with one of the units Ki, Mi, Gi, Ti, Pi, K, M, G, T, P, such as "4Gi"';
