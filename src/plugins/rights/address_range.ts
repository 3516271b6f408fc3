/**
 * Checks whether a host is an address within a range.
 *
 * @param range Range such as `10.0.0.0/8` or `[fd00::]/8`.
 * @param host Address with or without a port.
 * @returns Whether it is; not for a name, whatever it stands for.
 */
export function isInRange(range: string, host: string): boolean {
  const [, network, prefix] = /^(.*)\/(\d+)$/.exec(range) ?? [];
  const outer = bitsOf(network ?? "");
  const inner = bitsOf(host.replace(/:\d+$/, ""));
  return outer !== undefined && outer.length === inner?.length &&
    inner.startsWith(outer.slice(0, Number(prefix)));
}

/** Returns an address as a string of bits: 32 for IPv4, 128 for IPv6. */
function bitsOf(address: string): string | undefined {
  const text = URL.parse(`http://${address}/`)?.hostname ?? "";
  if (/^\d+(?:\.\d+){3}$/.test(text)) {
    return text.split(".").map((part) => binary(Number(part), 8)).join("");
  }
  if (!text.startsWith("[")) return undefined;
  const [head, tail] = text.slice(1, -1).split("::").map((half) =>
    half === "" ? [] : half.split(":")
  );
  const missing = 8 - head.length - (tail?.length ?? 0);
  const zeros = Array.from({ length: missing }, () => "0");
  return [...head, ...zeros, ...tail ?? []]
    .map((part) => binary(parseInt(part, 16), 16)).join("");
}

function binary(number: number, width: number): string {
  return number.toString(2).padStart(width, "0");
}
