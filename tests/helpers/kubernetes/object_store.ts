/** An object of the API, of any kind. */
// deno-lint-ignore no-explicit-any
export type ApiObject = any;

/** A change of an object. */
export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly resource: string;
  readonly object: ApiObject;
  readonly version: number;
}

/** The objects of an API server, and the history of their changes. */
export class ObjectStore {
  readonly #objects = new Map<string, ApiObject>();
  readonly #history: StoreEvent[] = [];
  readonly #listeners = new Set<(event: StoreEvent) => void>();
  #version = 100;
  /** Changes up to this version are forgotten. */
  #forgotten = 0;

  /** Version of the last change. */
  get version(): number {
    return this.#version;
  }

  /** Number of times that each object was created, by resource and name. */
  readonly created = new Map<string, number>();

  list(resource: string): ApiObject[] {
    return [...this.#objects].filter(([key]) => key.startsWith(`${resource}/`))
      .map(([, object]) => structuredClone(object));
  }

  get(resource: string, name: string): ApiObject | undefined {
    const object = this.#objects.get(`${resource}/${name}`);
    return object && structuredClone(object);
  }

  create(resource: string, object: ApiObject): ApiObject {
    const key = `${resource}/${object.metadata.name}`;
    this.created.set(key, (this.created.get(key) ?? 0) + 1);
    object = structuredClone(object);
    object.metadata.uid = crypto.randomUUID();
    object.metadata.creationTimestamp = now();
    return this.#put("ADDED", resource, object);
  }

  /** Changes an object; one that is gone stays gone. */
  update(
    resource: string,
    name: string,
    change: (object: ApiObject) => void,
  ): ApiObject | undefined {
    const object = this.get(resource, name);
    if (object === undefined) return undefined;
    change(object);
    return this.#put("MODIFIED", resource, object);
  }

  delete(resource: string, name: string): ApiObject | undefined {
    const key = `${resource}/${name}`;
    const object = this.#objects.get(key);
    if (object === undefined) return undefined;
    this.#objects.delete(key);
    this.#emit("DELETED", resource, object);
    return object;
  }

  /** Forgets the history, so that watches of old versions expire. */
  forget(): void {
    this.#forgotten = this.#version;
  }

  /** Returns the changes after a version; `undefined` if they are forgotten. */
  since(version: number): StoreEvent[] | undefined {
    if (version < this.#forgotten) return undefined;
    return this.#history.filter((event) => event.version > version);
  }

  /** Calls a function at each change until disposed of. */
  listen(listener: (event: StoreEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #put(
    type: "ADDED" | "MODIFIED",
    resource: string,
    object: ApiObject,
  ): ApiObject {
    this.#objects.set(`${resource}/${object.metadata.name}`, object);
    return this.#emit(type, resource, object);
  }

  #emit(
    type: StoreEvent["type"],
    resource: string,
    object: ApiObject,
  ): ApiObject {
    object.metadata.resourceVersion = String(++this.#version);
    const copy = structuredClone(object);
    const event = { type, resource, object: copy, version: this.#version };
    this.#history.push(event);
    for (const listener of [...this.#listeners]) listener(event);
    return copy;
  }
}

/** The time as objects contain it. */
export function now(): string {
  return new Date().toISOString().replace(/\.\d+/, "");
}
