import { validate as validateJob } from "npm:kubernetes-models@5.1.0/_schemas/IoK8sApiBatchV1Job";
import { validate as validatePod } from "npm:kubernetes-models@5.1.0/_schemas/IoK8sApiCoreV1Pod";
import { validate as validateSecret } from "npm:kubernetes-models@5.1.0/_schemas/IoK8sApiCoreV1Secret";

/** A compiled validator, which keeps the problems that it found last. */
type Validator = ((data: unknown) => boolean) & {
  errors?: { instancePath: string; message?: string; keyword: string }[] | null;
};

/** Validators of the published schema, by kind. */
const VALIDATORS: Readonly<Record<string, unknown>> = {
  Job: validateJob,
  Pod: validatePod,
  Secret: validateSecret,
};

/**
 * Validates an object by the published OpenAPI schema of Kubernetes, and finds
 * fields that the schema does not know, as an API server does.
 *
 * The validators do not report unknown fields, but they read the known ones
 * alone.
 *
 * @returns One line per problem.
 */
export function findObjectProblems(object: Record<string, unknown>): string[] {
  const validate = VALIDATORS[String(object.kind)] as Validator | undefined;
  if (validate === undefined) return [`kind ${object.kind} is not known`];
  const read = new Map<string, Set<PropertyKey>>();
  const isValid = validate(recordReads(object, "", read));
  const problems = isValid
    ? []
    : (validate.errors ?? []).map((error) =>
      `${error.instancePath} ${error.message ?? error.keyword}`
    );
  return [...problems, ...findUnknownFields(object, "", read)];
}

function recordReads<T>(
  value: T,
  path: string,
  read: Map<string, Set<PropertyKey>>,
): T {
  if (typeof value !== "object" || value === null) return value;
  const names = new Set<PropertyKey>();
  read.set(path, names);
  return new Proxy(value, {
    get(target, name, receiver) {
      names.add(name);
      const member = Reflect.get(target, name, receiver);
      return recordReads(member, `${path}/${String(name)}`, read);
    },
  });
}

function findUnknownFields(
  value: unknown,
  path: string,
  read: Map<string, Set<PropertyKey>>,
): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    read.get(path)?.has(name)
      ? findUnknownFields(member, `${path}/${name}`, read)
      : [`unknown field "${path}/${name}"`]
  );
}
