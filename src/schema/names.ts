/**
 * Names that several kinds of documents use.
 *
 * @module
 */

/** Name of a Kubernetes object: an RFC 1123 subdomain. */
export const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Keys that make the coordinator refuse a whole document, wherever they are. */
export const RESERVED_KEYS: readonly string[] = [
  "org",
  "org_id",
  "organization",
];
