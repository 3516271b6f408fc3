import { dictionary, list } from "../../schema/collections.ts";
import { mapping, type Schema } from "../../schema/combinators.ts";
import { choice, integer, text } from "../../schema/scalars.ts";
import type { JobBody } from "./definition.ts";

/** One part of a name: of a label, a taint or their values. */
const NAME = "[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";

/** Name of a label, with a domain or without one. */
const LABEL = new RegExp(
  `^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?${NAME}$`,
);

/** Value of a label, which may be empty. */
const VALUE = new RegExp(`^(?:${NAME})?$`);

const value = text({
  rule: {
    pattern: VALUE,
    words: "be a value of a label: up to 63 letters, digits, -, _ and .",
  },
});

/** Schema of the labels that a node must have. */
export const nodeSelector: Schema<NonNullable<JobBody["nodeSelector"]>> =
  dictionary(value, "map names of labels to their values", {
    keys: { pattern: LABEL, words: "the name of a label of a node" },
  });

/** A toleration of a job file. */
type Toleration = NonNullable<JobBody["tolerations"]>[number];

/** Maximum time for which a taint is tolerated, in seconds. */
const MAX_SECONDS = 2 ** 31 - 1;

/** Schema of the taints that a job tolerates, as Kubernetes defines them. */
export const tolerations: Schema<readonly Toleration[]> = list(
  mapping<Toleration>("Toleration", {
    key: {
      key: "key",
      schema: text({
        rule: { pattern: LABEL, words: "be the name of a taint" },
      }),
      description: "Name of the taint; all taints without it.",
    },
    operator: {
      key: "operator",
      schema: choice(["Equal", "Exists"] as const),
      description:
        "Whether the value must be equal, or any value is tolerated.",
      defaultValue: "Equal",
    },
    value: { key: "value", schema: value, description: "Value of the taint." },
    effect: {
      key: "effect",
      schema: choice(["NoSchedule", "PreferNoSchedule", "NoExecute"] as const),
      description: "Effect of the taint; all effects without it.",
    },
    tolerationSeconds: {
      key: "tolerationSeconds",
      schema: integer(0, MAX_SECONDS),
      description: "Seconds for which NoExecute is tolerated.",
    },
  }),
);
