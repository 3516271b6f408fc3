/**
 * Amounts of processors and memory, as the coordinator reads them: looser than
 * Kubernetes in the units of memory, and without exponents.
 *
 * @module
 */

/** Processors: cores with a fraction, or a whole number of thousandths. */
export const CPU_PATTERN = /^([0-9]+\.?[0-9]*|\.[0-9]+|[0-9]{1,15}m)$/;

/** Memory: a number with or without a unit, of which only one letter is free. */
export const MEMORY_PATTERN =
  /^([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTP]i|[KMGTP][Bb]?)?$/;

/** What an amount of processors may be, for messages. */
export const CPU_WORDS =
  'cores such as 2 or 0.5, or thousandths such as "500m"';

/** What an amount of memory may be, for messages. */
export const MEMORY_WORDS =
  'bytes, or a number with one of the units Ki, Mi, Gi, Ti, Pi, K, M, G, T, P, such as "4Gi"';
