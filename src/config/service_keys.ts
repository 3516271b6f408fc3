import { Variable } from "../environment/variables.ts";
import { listOrOne } from "../schema/collections.ts";
import {
  byShape,
  type Keys,
  mapped,
  mapping,
  type Schema,
} from "../schema/combinators.ts";
import {
  FILLED_TEXT,
  integer,
  positiveDuration,
  text,
} from "../schema/scalars.ts";
import {
  PORT_NAME,
  type ReadyConfig,
  type StepSettings,
} from "./step_config.ts";

/** Number or name of a port. */
const port = text({
  rule: { pattern: FILLED_TEXT.pattern, words: "be a port or its name" },
  findProblem(value) {
    if (PORT_NAME.test(value)) return undefined;
    return /^[0-9]{1,5}$/.test(value) && Number(value) >= 1 &&
        Number(value) <= 65_535
      ? undefined
      : "must be a port from 1 to 65535, or the name of one in ports";
  },
});

const portNumberOrName: Schema<number | string> = mapped(
  port,
  (value) => PORT_NAME.test(value) ? value : Number(value),
);

const portName = text({
  rule: {
    pattern: PORT_NAME,
    words: "be the name of a port, such as db",
  },
  allowsNumbers: false,
});

const logText = text({
  rule: {
    pattern: /^[^\0]*[^\s*\0][^\0]*$/,
    words: "contain more than * and white space",
  },
});

const http = text({
  rule: {
    pattern: /^(?:http:\/\/[^\s\0]+|\/(?!\/)[^\s\0]*)$/,
    words: 'be a URL that starts with "http://", or a path on the port',
  },
  allowsNumbers: false,
});

/**
 * Creates the schema of the conditions under which a service is ready.
 *
 * @param command Schema of a command.
 */
function readySchema(
  command: Schema<string | readonly string[]>,
): Schema<ReadyConfig> {
  return byShape<ReadyConfig>("be a port or a mapping", {
    scalar: mapped(portNumberOrName, (port) => ({ port })),
    mapping: mapping<ReadyConfig>("Ready", {
      port: {
        key: "port",
        schema: portNumberOrName,
        description:
          "Port on which the service accepts connections: its number, or its name in ports.",
      },
      http: {
        key: "http",
        schema: http,
        description: "An http:// URL that responds, or a path on the port.",
      },
      status: {
        key: "status",
        schema: listOrOne(
          "be a number or a list of numbers",
          integer(100, 599),
          {
            minimum: 1,
          },
        ),
        description:
          "Allowed status codes of the response; 200 to 399 by default.",
      },
      log: {
        key: "log",
        schema: listOrOne("be a string or a list of strings", logText, {
          minimum: 1,
        }),
        description:
          "Texts, one of which a line of the output must contain; * matches any text.",
      },
      command: {
        key: "command",
        schema: command,
        description: "Command that must succeed; it runs like the service.",
      },
      timeoutMs: {
        key: "timeout",
        schema: positiveDuration,
        description: "Time within which the service must be ready.",
        defaultValue: "60s",
      },
      intervalMs: {
        key: "interval",
        schema: positiveDuration,
        description:
          "Maximum delay between two checks; the first delays are shorter.",
        defaultValue: "500ms",
      },
    }),
  });
}

/**
 * Creates the keys of a service.
 *
 * @param flag Schema of a boolean.
 * @param command Schema of a command.
 * @returns Keys by property.
 */
export function serviceKeys(
  flag: Schema<boolean>,
  command: Schema<string | readonly string[]>,
): Keys<Pick<StepSettings, "service" | "ready" | "ports" | "background">> {
  return {
    service: {
      key: "service",
      schema: flag,
      description:
        "Whether the step is a service: steps that need it start when it is ready, and it is stopped after the last of them.",
      defaultValue: false,
    },
    ready: {
      key: "ready",
      schema: readySchema(command),
      description:
        "When the service is ready: a port, or conditions that must all hold.",
    },
    ports: {
      key: "ports",
      schema: listOrOne("be the name of a port or a list of names", portName, {
        minimum: 1,
      }),
      description:
        `Names of free ports that the runner chooses: the service and the steps that need it get each as ${Variable.port}.`,
    },
    background: {
      key: "background",
      schema: flag,
      description:
        "Whether the step runs alongside the others and is stopped when they have ended.",
      defaultValue: false,
    },
  };
}
