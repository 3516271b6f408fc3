/**
 * Names that several kinds of documents use.
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
