/**
 * Names and amounts in the coordinator's syntax.
 *
 * @module
 */

/** Name of a Kubernetes object: an RFC 1123 subdomain. */
export const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/**
 * Keys for which the coordinator rejects the entire document, wherever they
 * occur.
 */
export const RESERVED_KEYS: readonly string[] = [
  "org",
  "org_id",
  "organization",
];

/**
 * CPU: a number of cores with a fraction, or a whole number of millicores. Unlike
 * in Kubernetes, there are no exponents.
 */
export const CPU_PATTERN = /^([0-9]+\.?[0-9]*|\.[0-9]+|[0-9]{1,15}m)$/;

/**
 * Memory: a number, optionally with a unit; only the case of the final `B` is
 * free. Kubernetes is stricter about units, but allows exponents.
 */
export const MEMORY_PATTERN =
  /^([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTP]i|[KMGTP][Bb]?)?$/;

/** Allowed CPU amounts, for messages. */
export const CPU_WORDS =
  'cores such as 2 or 0.5, or thousandths such as "500m"';

/** Allowed memory amounts, for messages. */
export const MEMORY_WORDS =
  'bytes, or a number with one of the units Ki, Mi, Gi, Ti, Pi, K, M, G, T, P, such as "4Gi"';
