import type { RightKind } from "./rights.ts";

/** How the values of a kind are parsed. */
type Parse = (value: string) => string;

const PARSERS: Readonly<Record<RightKind, Parse>> = {
  read: path,
  write: path,
  net: (value) => socketAddress(value) ?? host(value, "net"),
  env: matching(
    /^[^\s,=*\p{Cc}]+\*?$/u,
    "it must be the name of a variable, or the beginning of names and *",
  ),
  run: matching(
    /^[^,\p{Cc}]*[^,\s\p{Cc}][^,\p{Cc}]*$/u,
    "it must be the name or path of a program, without commas",
  ),
  sys: matching(/^[A-Za-z]+$/, "it must be a name such as hostname"),
  import: (value) => value === "npm" ? value : host(value, "import"),
  config: matching(
    /^[a-z][a-z0-9_]*\*?$/,
    "it must be the name of a setting, or the beginning of names and *",
  ),
  steps: matching(/^[^\p{Cc}]+$/u, "it contains control characters"),
};

/**
 * Parses one value of a right: a host as a host, a name as a name. What is
 * passed to Deno is what was parsed here, and never more than one value.
 *
 * @param kind Kind of the right.
 * @param value The value; `*` stands for all of a kind.
 * @returns Its canonical form.
 * @throws {TypeError} If it is not a value of this kind.
 */
export function parseRight(kind: RightKind, value: string): string {
  if (value === "*") return value;
  return PARSERS[kind](value);
}

function matching(pattern: RegExp, rule: string): Parse {
  return (value) => {
    if (pattern.test(value)) return value;
    throw invalid(value, rule);
  };
}

/** Whether it is absolute is known once `$JOB_DIR` and the like are replaced. */
function path(value: string): string {
  if (value === "") throw invalid(value, "it is empty");
  if (value.includes("\0")) {
    throw invalid(value, "it contains a NUL character");
  }
  // Deno splits lists of paths at commas, and has no way to escape one.
  if (value.includes(",")) throw invalid(value, "it contains a comma");
  return value;
}

function socketAddress(value: string): string | undefined {
  const isAddress = /^unix:\/[^,\0]+$/.test(value) ||
    /^vsock:\d+:\d+$/.test(value);
  return isAddress ? value : undefined;
}

const HOST =
  /^(?<wildcard>\*\.)?(?<name>\[[\da-f:.]+\]|[\da-z_](?:[\w.-]*[\da-z_])?)\.?(?<prefix>\/\d{1,3})?(?<port>:\d{1,5})?$/i;

/** A host with or without a port, or, for `net`, a range of addresses. */
function host(value: string, kind: "net" | "import"): string {
  const rule = "it must be HOST, *.HOST, or either with :PORT";
  const { wildcard = "", name, prefix = "", port = "" } =
    HOST.exec(value)?.groups ?? {};
  if (name === undefined) throw invalid(value, rule);
  const isRange = prefix !== "";
  const known = URL.parse(`http://${name}/`)?.hostname;
  const isAddress = known !== undefined && /^\[|^[\d.]+$/.test(known);
  if (
    known === undefined || name.includes("..") ||
    // A host that is another spelling of an address is none of its own.
    isAddress && known !== name.toLowerCase() && !name.startsWith("[") ||
    isAddress && wildcard !== "" ||
    isRange && (kind !== "net" || !isAddress || port !== "") ||
    Number(prefix.slice(1)) > (name.startsWith("[") ? 128 : 32) ||
    Number(port.slice(1)) > 65_535
  ) {
    throw invalid(value, rule);
  }
  return `${wildcard}${known}${prefix}${
    port === "" ? "" : `:${Number(port.slice(1))}`
  }`;
}

function invalid(value: string, rule: string): TypeError {
  return new TypeError(`${JSON.stringify(value)} cannot be permitted: ${rule}`);
}
