/** Rights by plugin and kind, as a job file and the library spell them. */
export type PluginGrants = Readonly<
  Record<string, { readonly [kind: string]: readonly string[] | undefined }>
>;

/**
 * Brings grants into the form that variables and options have: one line
 * `NAME:KIND=VALUE,VALUE` for each.
 *
 * @param grants Grants by plugin and kind.
 * @returns Lines.
 */
export function grantLines(grants: PluginGrants): string[] {
  return Object.entries(grants).flatMap(([name, rights]) =>
    Object.entries(rights).map(([kind, values = []]) =>
      `${name}:${kind}=${values.join(",")}`
    )
  );
}
