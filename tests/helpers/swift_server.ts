import { isProgramMissing } from "./missing_program.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

/** Credentials of the only user of a server. */
export const S3_USER = {
  accessKeyId: "test:tester",
  secretAccessKey: "k3y-of-the-bucket-8fd1",
};

/** A server that speaks S3. */
export interface SwiftServer extends AsyncDisposable {
  /** URL of the endpoint. */
  readonly endpoint: string;
  readonly port: number;
  /** Directory with the files of all objects. */
  readonly disk: string;
}

/** Checks whether OpenStack Swift is missing, see {@linkcode isProgramMissing}. */
export function isSwiftMissing(): boolean {
  return [
    "swift-proxy-server",
    "swift-account-server",
    "swift-container-server",
    "swift-object-server",
    "memcached",
  ].some(isProgramMissing);
}

/**
 * Loads Swift once, makes rings with one device each, and starts the servers in
 * processes of their own.
 */
const LAUNCHER = `
import ctypes, os, signal, sys
from swift.common.ring import RingBuilder
from swift.common.wsgi import run_wsgi
import swift.account.server, swift.container.server, swift.obj.server
import swift.proxy.server
root, user, memory = sys.argv[1:4]
names = ["account", "container", "object"]
for name, port in zip(names, sys.argv[4:]):
    builder = RingBuilder(2, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1,
        "ip": "127.0.0.1", "port": int(port), "device": "d",
        "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    builder.rebalance()
    builder.get_ring().save("%s/%s.ring.gz" % (root, name))
def fork():
    # The servers leave the process group; each ends with the launcher (PR_SET_PDEATHSIG).
    child = os.fork() == 0
    if child: ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    return child
if fork():
    os.execvp("memcached", ["memcached", "-u", user, "-l", "127.0.0.1", "-p", memory])
for name in names + ["proxy"]:
    if fork():
        sys.exit(run_wsgi("%s/%s.conf" % (root, name), name + "-server"))
sys.exit(os.wait()[1] >> 8 or 1)
`;

/**
 * Starts OpenStack Swift with its S3 interface, as the current user: one proxy,
 * one server each for accounts, containers and objects, and memcached. It checks
 * signatures, and responds to conditional writes with 501.
 */
export async function startSwift(): Promise<SwiftServer> {
  const directory = await temporaryDirectory();
  const root = directory.path;
  const disk = `${root}/disk`;
  await Deno.mkdir(`${disk}/d`, { recursive: true });
  const [proxy, memory, ...storage] = freePorts(5);
  const user = await userName();
  const common = `swift_dir = ${root}
user = ${user}
bind_ip = 127.0.0.1
workers = 0
log_level = ERROR
log_address = ${root}/no-log`;
  await write(
    `${root}/swift.conf`,
    `[swift-hash]
swift_hash_path_suffix = test
swift_hash_path_prefix = test
[storage-policy:0]
name = only
default = yes
`,
  );
  const names = ["account", "container", "object"];
  for (const [at, name] of names.entries()) {
    await write(
      `${root}/${name}.conf`,
      `[DEFAULT]
${common}
bind_port = ${storage[at]}
devices = ${disk}
mount_check = false
fallocate_reserve = 0
[pipeline:main]
pipeline = ${name}-server
[app:${name}-server]
use = egg:swift#${name}
`,
    );
  }
  await write(
    `${root}/proxy.conf`,
    `[DEFAULT]
${common}
bind_port = ${proxy}
[pipeline:main]
pipeline = catch_errors cache s3api tempauth copy slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${memory}
[filter:s3api]
use = egg:swift#s3api
max_bucket_listing = 5
[filter:tempauth]
use = egg:swift#tempauth
user_${
      S3_USER.accessKeyId.replace(":", "_")
    } = ${S3_USER.secretAccessKey} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
`,
  );
  const ports = [memory, ...storage].map(String);
  const child = new Deno.Command("/usr/bin/python3", {
    args: ["-c", LAUNCHER, root, user, ...ports],
    cwd: root,
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch {
      // All have ended.
    }
    await child.status;
    await directory[Symbol.asyncDispose]();
  };
  try {
    for (const port of [memory, ...storage, proxy]) {
      await waitForServer(port, child.status);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    endpoint: `http://127.0.0.1:${proxy}`,
    port: proxy,
    disk,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * Finds ports that are free. They are below those that the system gives to
 * connections and to servers that ask for any port, so nothing else takes them
 * in the meantime.
 */
function freePorts(count: number): number[] {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      ports.add(port);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  return [...ports];
}

async function write(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text);
}

async function userName(): Promise<string> {
  const { stdout } = await new Deno.Command("id", { args: ["-un"] }).output();
  return new TextDecoder().decode(stdout).trim();
}

async function waitForServer(
  port: number,
  ended: Promise<Deno.CommandStatus>,
): Promise<void> {
  let status: Deno.CommandStatus | undefined;
  ended.then((end) => status = end);
  for (let count = 0; count < 1_200; count++) {
    if (status !== undefined) {
      throw new Error(`a server of Swift ended with code ${status.code}`);
    }
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      connection.close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error("a server of Swift does not listen");
}
