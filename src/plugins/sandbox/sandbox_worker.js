/**
 * Runs in the process of a sandboxed plugin, and calls the plugin.
 *
 * The code is passed as text instead of imported: the process may load only the
 * plugin, and a compiled runner has no source files. The specifier of the
 * plugin is dynamic, because Deno checks permissions only for imports that it
 * cannot analyze statically.
 *
 * This code is not a security boundary: the plugin shares the process and can
 * change everything in it. The runner validates all messages.
 */
const { exit, inspect, stdin, stdout } = Deno;

/** Methods that phases call, and misnamed ones that the runner reports. */
const METHODS = [
  "execute",
  ...["preValidation", "postValidation", "preSourcePrep", "postSourcePrep"],
  ...["preExecution", "postExecution", "preContainer", "postContainer"],
  ...["onError", "cleanup", "pre_validation", "post_validation"],
  ...["pre_source_prep", "post_source_prep", "pre_execution"],
  ...["post_execution", "pre_container", "post_container", "on_error"],
];

const plugins = new Map();
const controllers = new Map();
const encoder = new TextEncoder();

function send(message) {
  let bytes = encoder.encode(`${JSON.stringify(message)}\n`);
  while (bytes.length > 0) bytes = bytes.subarray(stdout.writeSync(bytes));
}

/** Sends output as messages, so that it follows the secrets that were registered before it. */
function redirectConsole() {
  const log = (...values) => {
    const text = values.map((value) =>
      typeof value === "string" ? value : inspect(value)
    );
    send({ type: "log", message: text.join(" ") });
  };
  for (const name of ["log", "info", "debug", "warn", "error", "dir"]) {
    console[name] = log;
  }
}

/** Accepts the same exports as trusted plugin files; see `registerExport()`. */
async function register(exported) {
  const add = (plugin) => void plugins.set(plugin.name, plugin);
  const isObject = (value) => typeof value === "object" && value !== null;
  const isClass = typeof exported === "function" &&
    Object.getOwnPropertyDescriptor(exported, "prototype")?.writable === false;
  if (isClass) add(new exported());
  else if (typeof exported === "function") {
    const exportedPlugin = await exported({ add });
    if (isObject(exportedPlugin) && "name" in exportedPlugin) {
      add(exportedPlugin);
    }
  } else if (isObject(exported) && "name" in exported) add(exported);
  if (plugins.size > 0) return;
  throw new TypeError(
    "its default export must be a plugin, a plugin class or a function that registers plugins",
  );
}

function describe(plugin) {
  return {
    name: plugin.name,
    priority: plugin.priority,
    phases: plugin.phases ?? plugin.supportedPhases?.(),
    errorPolicy: plugin.errorPolicy,
    methods: METHODS.filter((name) => typeof plugin[name] === "function"),
  };
}

function describeError(error) {
  const isError = typeof error === "object" && error !== null;
  return {
    name: isError ? String(error.name) : "",
    message: isError ? String(error.message) : `it threw ${String(error)}`,
  };
}

async function call({ id, plugin: name, hook, phase, context: data }) {
  const controller = new AbortController();
  controllers.set(id, controller);
  try {
    const plugin = plugins.get(name);
    const changes = {};
    if (plugin.enabled ?? true) {
      const { context, collect } = openContext(
        plugin,
        phase,
        data,
        controller.signal,
      );
      await plugin[hook](context);
      Object.assign(changes, collect());
    }
    send({ type: "done", id, changes });
  } catch (error) {
    send({ type: "failed", id, ...describeError(error) });
  } finally {
    controllers.delete(id);
  }
}

const states = new Map();

/** Creates the context of a call; `collect` returns the changes made to it. */
function openContext(plugin, phase, data, signal) {
  const state = states.get(plugin) ?? new Map();
  states.set(plugin, state);
  const env = { ...data.env };
  const shared = new Map(Object.entries(structuredClone(data.shared)));
  const config = new Map(Object.entries(data.config));
  const changes = { env: {}, config: {}, shared: {}, unshared: [], steps: [] };
  const context = Object.freeze({
    ...data,
    phase,
    signal,
    state,
    env,
    shared,
    error: data.error && Object.assign(new Error(data.error.message), {
      name: data.error.name,
    }),
    config: {
      get: (key) => config.get(key),
      set(key, value) {
        if (phase !== "pre_validation") {
          throw new TypeError(
            `Cannot change setting "${key}": the configuration has already been validated`,
          );
        }
        config.set(key, value);
        changes.config[key] = value;
      },
      keys: () => [...config.keys()],
    },
    log: (message) => send({ type: "log", message: String(message) }),
    metric: (name, value) => send({ type: "metric", name, value }),
    registerSecret: (value) => send({ type: "secret", value }),
    addStep: (step) => void changes.steps.push(step),
    registerSource() {
      throw new TypeError(
        "Cannot register a source: only plugins in the process of the runner can",
      );
    },
  });
  const collect = () => {
    for (const name of Object.keys({ ...data.env, ...env })) {
      if (env[name] !== data.env[name]) changes.env[name] = env[name] ?? null;
    }
    for (const [key, value] of shared) {
      const before = JSON.stringify(data.shared[key]);
      if (JSON.stringify(value) !== before) changes.shared[key] = value;
    }
    changes.unshared = Object.keys(data.shared).filter((key) =>
      !shared.has(key)
    );
    return changes;
  };
  return { context, collect };
}

async function* lines() {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65536);
  let rest = "";
  for (let count; (count = await stdin.read(buffer)) !== null;) {
    const text = decoder.decode(buffer.subarray(0, count), { stream: true });
    const parts = (rest + text).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

/** Web storage needs no permission, and would leave files on the machine. */
function removeStorage() {
  for (const name of ["caches", "localStorage", "sessionStorage"]) {
    delete globalThis[name];
  }
}

redirectConsole();
removeStorage();
try {
  const module = await import(Deno.args[0]);
  await register(module.default);
  const { manifest } = module;
  send({
    type: "ready",
    plugins: [...plugins.values()].map(describe),
    ...manifest === undefined ? {} : { manifest },
  });
} catch (error) {
  send({ type: "broken", ...describeError(error) });
  exit(1);
}
for await (const line of lines()) {
  const message = JSON.parse(line);
  // Not awaited: a cancellation must be handled during the call.
  if (message.type === "call") call(message);
  else controllers.get(message.id)?.abort(new DOMException("", "AbortError"));
}
// The runner has exited; timers of the plugin must not keep the process alive.
exit(0);
