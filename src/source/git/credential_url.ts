import type { ConfigEntry } from "./config_entries.ts";

/** A location, and what lets git reach it. */
export interface CredentialUrl {
  /** The location as it may be written down. */
  readonly publicUrl: string;
  /** What git has to be told to get the rest; for no file. */
  readonly config: readonly ConfigEntry[];
}

/**
 * Takes the secret out of a location, so that it can stand in the configuration
 * of a clone, which the job reads.
 *
 * The user of ssh is no secret and stays; of anything else the whole user info
 * may be a token.
 *
 * @param url Location of a repository.
 * @returns The location without the secret, and the configuration that puts it
 * back for those who are given it.
 */
export function withoutSecret(url: string): CredentialUrl {
  const [, scheme, userInfo, rest] =
    /^([^/:]+:\/\/)([^/?#]*)@(.*)$/s.exec(url) ?? [];
  if (userInfo === undefined) return { publicUrl: url, config: [] };
  const [user] = userInfo.split(":", 1);
  const publicUrl = /ssh/.test(scheme) && user !== ""
    ? `${scheme}${user}@${rest}`
    : `${scheme}${rest}`;
  // Git compares beginnings: without a path, the name of the host could go on.
  if (publicUrl === url || !rest.includes("/")) {
    return { publicUrl, config: [] };
  }
  return { publicUrl, config: [[`url.${url}.insteadOf`, publicUrl]] };
}
