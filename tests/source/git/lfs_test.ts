import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { isProgramMissing } from "../../helpers/missing_program.ts";
import { clone } from "../../helpers/clone.ts";
import {
  type GitRepository,
  makeRepository,
} from "../../helpers/git_repository.ts";
import { startGitServer } from "../../helpers/git_server.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

const ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n";

/** Creates a repository in which the real `git-lfs` processes added files. */
async function makeLfsRepository(path: string): Promise<GitRepository> {
  const origin = await makeRepository(path);
  await origin.git("lfs", "install", "--local");
  return origin;
}

async function pathOf(program: string): Promise<string> {
  const { stdout } = await new Deno.Command("which", { args: [program] })
    .output();
  return new TextDecoder().decode(stdout).trim();
}

/** A server that records its clients, and has no content. */
function startCanary() {
  const visits: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const headers = JSON.stringify(Object.fromEntries(request.headers));
      visits.push(`${request.method} ${request.url} ${headers}`);
      return new Response("Who are you?", {
        status: 401,
        headers: { "www-authenticate": "Basic" },
      });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/canary`,
    visits,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

describe("gitSource() without git-lfs", () => {
  it("fails only if a file is in Git LFS, unless it is off", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeRepository(`${path}/origin`);
    const plain = await origin.commit({ "file": "text", "a.bin": "pointer\n" });
    await origin.commit({ ".gitattributes": ATTRIBUTES });
    await Deno.mkdir(`${path}/bin`);
    await Deno.symlink(await pathOf("git"), `${path}/bin/git`);
    const env = { PATH: `${path}/bin` };
    await assertRejects(
      () =>
        clone(path, "origin", { env, retry: { attempts: 2, delayMs: 60_000 } }),
      RunnerError,
      `Cannot fetch the Git LFS files of "${path}/origin": git-lfs is not installed`,
    );
    for (const options of [{ lfs: "off" }, { ref: plain }] as const) {
      const cloned = await clone(path, "origin", { ...options, env });
      const text = await Deno.readTextFile(`${cloned.path}/a.bin`);
      assertEquals(text, "pointer\n");
    }
  });
});

const suite = isProgramMissing("git-lfs") ? () => {} : describe;

suite("gitSource() and Git LFS", () => {
  it("replaces pointers according to git's attributes", async () => {
    for (
      const attributes of [
        "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        "*.bin\tfilter=lfs\tdiff=lfs\t\tmerge=lfs -text\n",
        "*.bin -text filter=lfs\r\n",
        "[attr]big filter=lfs -text\n*.bin big\n",
        '"*.bin" filter=lfs',
        "*.txt filter=lfs\n*.bin filter=lfs\n# end\n",
      ]
    ) {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const origin = await makeLfsRepository(`${path}/origin`);
      await origin.commit({ ".gitattributes": attributes, "a.bin": "big" });
      const pointer = await origin.git("show", "HEAD:a.bin");
      assert(pointer.startsWith("version https://git-lfs"), attributes);
      const cloned = await clone(path, `file://${origin.path}`);
      const text = await Deno.readTextFile(`${cloned.path}/a.bin`);
      assertEquals(text, "big", attributes);
    }
  });

  it("fetches with the credentials of the source", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeLfsRepository(`${path}/origin`);
    await origin.commit({
      "d/.gitattributes": ATTRIBUTES,
      "a.bin": "plain",
      "d/a.bin": "big a",
      "d/b.bin": "big b",
      "d/ü \n.bin": "big u",
    });
    await using server = startGitServer(path);
    server.faults = { login: "us@er:p%w/\\d" };
    const url = server.url.replace("//", "//us%40er:p%25w%2F%5Cd@");
    const cloned = await clone(path, `${url}origin/.git`);
    const { files } = await filesOf(cloned.path);
    assertEquals(files, {
      "a.bin": "plain",
      "d/.gitattributes": ATTRIBUTES,
      "d/a.bin": "big a",
      "d/b.bin": "big b",
      "d/ü \n.bin": "big u",
    });
    const batches = server.requests.filter((request) =>
      request.endsWith("/batch")
    );
    assert(batches.length <= 3, server.requests.join("\n"));
    const { stdout } = await new Deno.Command("grep", {
      args: ["-rlE", "p%25w|p%w", cloned.path],
    }).output();
    assertEquals(new TextDecoder().decode(stdout), "");
  });

  for (
    const [name, key, value, most] of [
      ["few times", "lfs.transfer.maxretrydelay", "0", 10],
      [
        "as often as the operator's configuration says",
        "lfs.transfer.maxretries",
        "1",
        4,
      ],
    ] as const
  ) {
    it(`asks ${name} for an object that the server does not serve`, async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const origin = await makeLfsRepository(`${path}/origin`);
      await origin.commit({ ".gitattributes": ATTRIBUTES, "a.bin": "big" });
      let count = 0;
      await using store = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        () => {
          count++;
          return new Response("There is none", { status: 404 });
        },
      );
      await using server = startGitServer(path);
      server.faults = { objectsAt: `http://127.0.0.1:${store.addr.port}/a` };
      const env = {
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: key,
        GIT_CONFIG_VALUE_0: value,
      };
      await assertRejects(
        () => clone(path, `${server.url}origin/.git`, { env }),
        RunnerError,
        "Cannot fetch the Git LFS files of",
      );
      assert(count > 0 && count <= most, `${count} requests`);
    });
  }

  it("leaves a clean tree to the job", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeLfsRepository(`${path}/origin`);
    await origin.commit({ ".gitattributes": ATTRIBUTES, "a.bin": "big" });
    await origin.git("tag", "--annotate", "--message=v1", "v1");
    const cloned = await clone(path, `file://${origin.path}`, { ref: "v1" });
    assertEquals(await cloned.git("describe", "--dirty"), "v1");
    await Deno.utime(`${cloned.path}/a.bin`, 1, 1);
    assertEquals(await cloned.git("status", "--porcelain"), "");
    await Deno.writeTextFile(`${cloned.path}/a.bin`, "BIG");
    assertEquals(await cloned.git("status", "--porcelain"), "M a.bin");
    assertEquals(await cloned.git("ls-files", "--others"), "");
    assertEquals(
      Object.keys(await listFiles(`${cloned.path}/.git`))
        .filter((name) => name.includes("lfs-client")),
      [],
    );
  });

  it("fetches only the directories that are checked out", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const origin = await makeLfsRepository(`${path}/origin`);
    await origin.git("config", "uploadpack.allowFilter", "true");
    await origin.commit({
      ".gitattributes": ATTRIBUTES,
      "a.bin": "big a",
      "in/b.bin": "big b",
      "out/c.bin": "big c",
    });
    const lost = await origin.git("show", "HEAD:out/c.bin");
    await using server = startGitServer(path);
    server.faults = { lostObjects: [/sha256:(.*)/.exec(lost)![1]] };
    for (const filter of [undefined, "blob:none"]) {
      const cloned = await clone(path, `${server.url}origin/.git`, {
        sparsePaths: ["in"],
        filter,
      });
      const { files } = await filesOf(cloned.path);
      assertEquals(files, {
        ".gitattributes": ATTRIBUTES,
        "a.bin": "big a",
        "in/b.bin": "big b",
      });
      assertEquals(await cloned.git("status", "--porcelain"), "");
    }
    await assertRejects(
      () => clone(path, `${server.url}origin/.git`),
      RunnerError,
      `Cannot fetch the Git LFS files of "${server.url}origin/.git": `,
    );
  });

  it("contacts no server that only the tree names", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using canary = startCanary();
    const configs = [
      `[lfs]\n\turl = ${canary.url}\n\tpushurl = ${canary.url}\n[lfs "${canary.url}"]\n\taccess = basic`,
      `[remote "origin"]\n\tlfsurl = ${canary.url}\n\tlfspushurl = ${canary.url}\n\turl = ${canary.url}`,
      `[remote]\n\tlfsdefault = evil\n[remote "evil"]\n\tlfsurl = ${canary.url}\n[include]\n\tpath = evil`,
      `[url "${canary.url}/"]\n\tinsteadOf = http://127.0.0.1\n[http]\n\tproxy = ${canary.url}`,
      `[lfs]\n\tfetchexclude = *\n\tfetchinclude = nothing\n\tskipdownloaderrors = true`,
      `[lfs]\n\tstandalonetransferagent = evil\n[lfs "customtransfer.evil"]\n\tpath = touch\n\targs = MARKER`,
      `[lfs "extension.evil"]\n\tclean = touch MARKER\n\tsmudge = touch MARKER\n\tpriority = 0\n[credential]\n\thelper = "!touch MARKER"\n[core]\n\tsshCommand = touch MARKER`,
    ];
    await makeFiles(path, { "askpass": "#!/bin/sh\necho token\n" });
    await Deno.chmod(`${path}/askpass`, 0o755);
    const origin = await makeLfsRepository(`${path}/origin`);
    await using server = startGitServer(path);
    server.faults = { login: "token:token" };
    await origin.commit({ ".gitattributes": ATTRIBUTES, "a.bin": "big" });
    await origin.git("config", "--remove-section", "filter.lfs");
    for (const config of configs) {
      await makeFiles(origin.path, {
        ".lfsconfig": config.replaceAll("MARKER", `${path}/marker`),
        "evil": `[lfs]\n\turl = ${canary.url}\n`,
      });
      await origin.git("add", ".lfsconfig", "evil");
      await origin.git("commit", "--quiet", "--message=Lead away");
      const cloned = await clone(path, `${server.url}origin/.git`, {
        env: {
          GIT_ASKPASS: `${path}/askpass`,
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "http.extraHeader",
          GIT_CONFIG_VALUE_0: "X-Token: header-token",
        },
      });
      const text = await Deno.readTextFile(`${cloned.path}/a.bin`);
      assertEquals(text, "big", config);
    }
    assertEquals(canary.visits, []);
    assertEquals((await filesOf(path)).files.marker, undefined);
    assert(
      server.headers.some((item) => item.get("x-token") === "header-token"),
    );
  });

  it("sends no credentials, token or header to other hosts that have the objects", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using canary = startCanary();
    const origin = await makeLfsRepository(`${path}/origin`);
    await origin.commit({ ".gitattributes": ATTRIBUTES, "a.bin": "big" });
    await makeFiles(path, { "askpass": "#!/bin/sh\necho horse\n" });
    await Deno.chmod(`${path}/askpass`, 0o755);
    await using server = startGitServer(path);
    server.faults = { login: "horse:horse", objectsAt: canary.url };
    for (
      const [url, env] of [
        [server.url, { GIT_ASKPASS: `${path}/askpass` }],
        [server.url.replace("//", "//horse:horse@"), {}],
      ] as const
    ) {
      await assertRejects(
        () =>
          clone(path, `${url}origin/.git`, {
            env: {
              ...env,
              GIT_CONFIG_COUNT: "2",
              GIT_CONFIG_KEY_1: "lfs.transfer.maxRetries",
              GIT_CONFIG_VALUE_1: "1",
              GIT_CONFIG_KEY_0: "http.extraHeader",
              GIT_CONFIG_VALUE_0: "X-Token: header-token",
            },
          }),
        RunnerError,
        "Cannot fetch the Git LFS files",
      );
    }
    assert(canary.visits.length > 0);
    const visits = canary.visits.join("\n").toLowerCase();
    assert(!/x-token|authorization/.test(visits), visits);
  });

  it("fetches the files of submodules the same way", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using canary = startCanary();
    const inner = await makeLfsRepository(`${path}/inner`);
    await inner.commit({
      ".gitattributes": ATTRIBUTES,
      ".lfsconfig": `[lfs]\n\turl = ${canary.url}\n`,
      "a.bin": "big inner",
    });
    await Deno.rename(`${inner.path}/.git`, `${path}/inner.git`);
    const origin = await makeRepository(`${path}/origin`);
    await origin.git(
      ...["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"],
      ...[`${path}/inner.git`, "sub"],
    );
    await origin.git(
      "config",
      "-f",
      ".gitmodules",
      "submodule.sub.url",
      "../inner.git",
    );
    await origin.commit({ file: "outer" });
    await Deno.rename(`${origin.path}/.git`, `${path}/origin.git`);
    await using server = startGitServer(path);
    server.faults = { login: "me:horse" };
    const url = server.url.replace("//", "//me:horse@");
    const cloned = await clone(path, `${url}origin.git`, { submodules: "on" });
    assertEquals(
      await Deno.readTextFile(`${cloned.path}/sub/a.bin`),
      "big inner",
    );
    assertEquals(await cloned.git("status", "--porcelain"), "");
    assertEquals(canary.visits, []);
  });
});

/** Files of a work tree, without those of the repository. */
async function filesOf(path: string) {
  const all = await listFiles(path);
  const files = Object.fromEntries(
    Object.entries(all).filter(([name]) =>
      !name.startsWith(".git/") && !name.endsWith("/")
    ),
  );
  return { files };
}
