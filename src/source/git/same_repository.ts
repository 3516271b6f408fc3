/**
 * Tells whether two locations mean the same repository, however they are
 * spelled: by https or ssh, with `.git` or a slash at the end, with a user,
 * with capitals in the name of the host.
 *
 * @param one Location.
 * @param other Location.
 * @returns Whether they do.
 */
export function isSameRepository(one: string, other: string): boolean {
  return plainLocation(one) === plainLocation(other);
}

/**
 * Brings the location of a repository into a form that its spellings share.
 *
 * @param url URL, `host:path` of ssh, or local path.
 * @returns `host/path`, or the path of a local one.
 */
export function plainLocation(url: string): string {
  const [, authority, path] = /^[^/:]+:\/\/([^/]*)\/*(.*)$/.exec(url) ??
    /^([^/:]+):\/*(.*)$/.exec(url) ?? [null, "", url];
  const host = authority.replace(/^.*@/, "").toLowerCase()
    .replace(/:(?:22|80|443|9418)$/, "");
  const rest = path.replace(/\/+$/, "").replace(/\.git$/, "");
  return host === "" ? `/${rest.replace(/^\/+/, "")}` : `${host}/${rest}`;
}
