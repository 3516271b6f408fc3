/**
 * Preloaded before the command line to record when it reaches each part of its
 * work: the first use of the Deno function with which the part begins. Writes the
 * times to the file in `START_MARKS` as JSON, in milliseconds since 1970.
 *
 * @module
 */

type Key = string | symbol;

const marks: Record<string, number> = {};

function mark(name: string): void {
  marks[name] ??= performance.timeOrigin + performance.now();
}

/** Records when a property is read for the first time. */
function markRead(
  target: object,
  key: string,
  onRead: () => void = () => {},
): void {
  const property = Object.getOwnPropertyDescriptor(target, key)!;
  Object.defineProperty(target, key, {
    configurable: true,
    get() {
      mark(key);
      Object.defineProperty(target, key, property);
      onRead();
      return Reflect.get(target, key);
    },
  });
}

function markSpawn(): void {
  const { spawn } = Deno.Command.prototype;
  Deno.Command.prototype.spawn = function (): Deno.ChildProcess {
    const child = spawn.call(this);
    mark("spawned");
    child.status.then(() => mark("ended"));
    return child;
  };
}

mark("start");
markRead(Deno.permissions.constructor.prototype, "querySync");
markRead(Deno.env, "toObject");
markRead(Deno, "addSignalListener");
markRead(Deno, "listen");
markRead(Deno, "Command", markSpawn);
const { exit } = Deno;
Deno.exit = (code): never => {
  mark("exit");
  const file = Deno.env.get("START_MARKS")!;
  Deno.writeTextFileSync(file, JSON.stringify(marks));
  return exit(code);
};
