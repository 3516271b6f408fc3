import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { prepareSource } from "../../src/source/prepare.ts";
import { runTool } from "../helpers/archives.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { filesWith, recordClient } from "../helpers/recording_client.ts";
import { sourceContext } from "../helpers/source_context.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Characters with a meaning in URLs, shells and configuration files. */
const PASSWORD = `p %$HOME"'[x]#;=@/:`;
const USER = "user%(x)s $HOME";
const USER_INFO = `${encodeURIComponent(USER)}:${encodeURIComponent(PASSWORD)}`;

interface Prepared {
  error: unknown;
  /** Everything that the client was called with, and its output. */
  seen: string;
}

/** Prepares a source with a recorded client and its own temporary files. */
async function prepareFrom(
  cwd: string,
  type: "hg" | "svn",
  url: string,
): Promise<Prepared> {
  const client = await recordClient(cwd, type);
  const context = sourceContext({
    cwd,
    env: { HOME: `${cwd}/home`, PATH: client.path },
  });
  const target = context.workspace.pathOf("/job/src");
  const error = await prepareSource(
    { type, url, target, replace: false },
    context,
  ).then(() => undefined, (error) => error);
  const log = context.log.lines.join("\n");
  return {
    error,
    seen: `${await client.calls()}${log}${error?.message ?? ""}`,
  };
}

/**
 * Asserts that neither a part of the user info nor an encoded form of it occurs
 * anywhere.
 */
async function assertHidden(cwd: string, { seen }: Prepared): Promise<void> {
  const secrets = [
    PASSWORD,
    USER,
    ...USER_INFO.split(":"),
    encodeURI(PASSWORD),
  ];
  for (const secret of secrets) {
    assert(!seen.includes(secret), `${secret} is in ${seen}`);
    assertEquals(await filesWith(`${cwd}/job`, secret), "");
  }
}

/**
 * A server that requires a password, and may redirect authenticated clients.
 */
function startServer(place?: string) {
  const seen: (string | null)[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const given = request.headers.get("authorization");
      seen.push(given);
      if (given === null) {
        return new Response("", {
          status: 401,
          headers: { "www-authenticate": 'Basic realm="r"' },
        });
      }
      const { pathname, search } = new URL(request.url);
      return place === undefined
        ? new Response("", { status: 404 })
        : new Response("", {
          status: 301,
          headers: { location: `${place}${pathname}${search}` },
        });
    },
  );
  return {
    port: server.addr.port,
    seen,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function basic(): string {
  const bytes = new TextEncoder().encode(`${USER}:${PASSWORD}`);
  return `Basic ${bytes.toBase64()}`;
}

for (const type of ["hg", "svn"] as const) {
  const suite = isProgramMissing(type) ? () => {} : describe;
  suite(`the credentials of a source of type ${type}`, () => {
    it("reach the server, but no argument, variable, file or message", async () => {
      await using directory = await temporaryDirectory();
      await using server = startServer();
      const url = `http://${USER_INFO}@127.0.0.1:${server.port}/repository`;
      const prepared = await prepareFrom(directory.path, type, url);
      assert(prepared.error instanceof RunnerError);
      assert(server.seen.includes(basic()), JSON.stringify(server.seen));
      await assertHidden(directory.path, prepared);
    });

    it("reach no other server after a redirect", async () => {
      await using directory = await temporaryDirectory();
      await using other = startServer();
      await using server = startServer(`http://localhost:${other.port}`);
      const url = `http://${USER_INFO}@127.0.0.1:${server.port}/repository`;
      await prepareFrom(directory.path, type, url);
      assert(server.seen.includes(basic()), JSON.stringify(server.seen));
      assertEquals(other.seen.filter((given) => given !== null), []);
    });

    it("are rejected if they could only be passed as an argument", async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const scheme = type === "svn" ? "svn+ssh" : "ssh";
      for (
        const [url, problem] of [
          [`${scheme}://me:s3cret@127.0.0.1/x`, "has a password, which"],
          ["http://me:s3/cret@127.0.0.1/x", "must be percent-encoded"],
          ...type === "hg"
            ? [["http://me:s3cret%FC@127.0.0.1/x", "is not ASCII"]]
            : [],
        ]
      ) {
        const context = sourceContext({ cwd: path });
        const target = context.workspace.pathOf("/job/src");
        const error = await assertRejects(
          () => prepareSource({ type, url, target, replace: false }, context),
          RunnerError,
          problem,
        );
        assert(!/s3|cret/.test(error.message), error.message);
      }
    });
  });
}

const svnSuite = isProgramMissing("svnserve") ? () => {} : describe;

svnSuite("svnSource() with svnserve", () => {
  it("are used even if the user has configured the host", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await runTool(path, "svnadmin", "create", "repository");
    await makeFiles(path, {
      "repository/conf/svnserve.conf":
        "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\n",
      "repository/conf/passwd": "[users]\ntoken = s3cret word\n",
      "tree/file": "content",
      "home/.subversion/servers":
        "[groups]\nlocal = 10.*, 127.0.0.*\n[local]\nusername = other\nhttp-auth-types = digest\n[global]\nusername = another\n",
    });
    await runTool(
      path,
      "svn",
      "import",
      "-qm",
      "1",
      "tree",
      `file://${path}/repository/trunk`,
    );
    await using server = startSvnserve(`${path}/repository`);
    const url = `svn://token:s3cret%20word@127.0.0.1:${server.port}/trunk`;
    const { error, seen } = await prepareFrom(path, "svn", url);
    assertEquals(error, undefined);
    assertEquals(await Deno.readTextFile(`${path}/job/src/file`), "content");
    assert(!/s3cret/.test(seen), seen);
    assertEquals(await filesWith(`${path}/job`, "s3cret"), "");
    assertEquals(await exists(`${path}/home/.subversion/auth`), false);
  });
});

/**
 * Serves a repository with one `svnserve` per connection, as inetd does, so
 * that no other program can take the port before it listens.
 */
function startSvnserve(repository: string) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      connections.push(serveConnection(connection, repository));
    }
  })();
  return {
    port: listener.addr.port,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await accepting;
      await Promise.all(connections);
    },
  };
}

async function serveConnection(
  connection: Deno.Conn,
  repository: string,
): Promise<void> {
  const child = new Deno.Command("svnserve", {
    args: ["--inetd", "--root", repository],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  await Promise.allSettled([
    connection.readable.pipeTo(child.stdin),
    child.stdout.pipeTo(connection.writable),
    child.status,
  ]);
}
