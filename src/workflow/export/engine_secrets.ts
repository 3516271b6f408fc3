import { referencePattern } from "../../schema/reference.ts";

/** A secret that an engine passes to a job. */
export interface EngineSecret {
  /** Variable that contains it, and its name in engines without paths. */
  readonly variable: string;
  /** Path of the secret in our reference. */
  readonly path: string;
  /** Key of the secret in our reference. */
  readonly key: string;
}

/**
 * Names the secrets of a workflow in an engine.
 *
 * A job refers to a secret as `${secret:PATH:KEY}`. In an engine, a variable
 * contains it, which the job's runner reads and masks as
 * `${secret:env:VARIABLE:value}`. Values are never exported.
 */
export class EngineSecrets {
  readonly #secrets = new Map<string, EngineSecret>();
  readonly #taken = new Set<string>();

  /**
   * Replaces the references of a text by those to variables.
   *
   * @param onSecret Called with each secret that an engine has to pass.
   * @param onOther Called with each reference that stays as it is: its path or
   * key contains a variable, or it is a variable of the runner.
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
