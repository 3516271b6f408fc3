import { referencePattern } from "../../schema/reference.ts";

/** A secret that an engine passes to a job. */
export interface EngineSecret {
  /** Variable that contains it; also its name in engines without paths. */
  readonly variable: string;
  /** Path of the secret in our reference. */
  readonly path: string;
  /** Key of the secret in our reference. */
  readonly key: string;
}

/**
 * Assigns names to the secrets of a workflow in an engine.
 *
 * A job refers to a secret as `${secret:PATH:KEY}`. In an engine, the secret is in a
 * variable, and the job refers to it as `${secret:env:VARIABLE:value}`, so that its
 * runner masks it. Values are never exported.
 */
export class EngineSecrets {
  readonly #secrets = new Map<string, EngineSecret>();
  readonly #taken = new Set<string>();

  /**
   * Replaces references to secrets in a text by references to variables.
   *
   * @param onSecret Called with each secret that the engine has to provide.
   * @param onOther Called with each reference that is not replaced: its path or key
   * contains a variable, or it already refers to a variable.
   */
  replaceReferences(
    text: string,
    onSecret: (secret: EngineSecret) => void,
    onOther: (reference: string) => void,
  ): string {
    return text.replace(
      referencePattern(),
      (whole, path, key, provider, providedPath, providedKey) => {
        if (!whole.startsWith("${secret:")) return whole;
        if (provider === "env" || whole.includes("${env:")) {
          onOther(whole);
          return whole;
        }
        const secret = provider === undefined
          ? this.secretAt(path, key)
          : this.secretAt(`${provider}/${providedPath}`, providedKey);
        onSecret(secret);
        return secretReference(secret);
      },
    );
  }

  /** Returns the secret at a path, with the same name in all jobs. */
  secretAt(path: string, key: string): EngineSecret {
    const id = `${path}\0${key}`;
    const known = this.#secrets.get(id);
    if (known !== undefined) return known;
    const base = `SECRET_${path}_${key}`.toUpperCase()
      .replace(/[^A-Z0-9]+/g, "_").slice(0, 100);
    let variable = base;
    for (let count = 2; this.#taken.has(variable); count++) {
      variable = `${base}_${count}`;
    }
    this.#taken.add(variable);
    const secret = { variable, path, key };
    this.#secrets.set(id, secret);
    return secret;
  }

  /** All secrets, in the order of their first use. */
  get all(): readonly EngineSecret[] {
    return [...this.#secrets.values()];
  }
}

/** Returns the reference with which a runner reads a secret of an engine. */
export function secretReference({ variable }: EngineSecret): string {
  return `\${secret:env:${variable}:value}`;
}
