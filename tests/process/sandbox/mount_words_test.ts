import { assertEquals } from "@std/assert";
import { mountWords } from "../../../src/process/sandbox/mount_words.ts";

/** Words for paths that are not links or devices. */
function pathWords(...parameters: Parameters<typeof mountWords>): string[] {
  return mountWords(...parameters).filter((word) =>
    /^[a-z]\d/i.test(word) && !/^l|\/dev\b/.test(word)
  );
}

Deno.test("mountWords() creates what a new root lacks, and nothing in directories of others", () => {
  const words = pathWords({
    visible: {
      read: ["/usr", "/proc"],
      write: ["/tmp", "/home/job"],
      links: [],
    },
    hidden: [
      { path: "/tmp/all", except: "/tmp/all/own" },
      { path: "/elsewhere", except: "/elsewhere/own" },
    ],
    readOnly: ["/home/job/ci"],
  }, new Map([["/usr", 1], ["/tmp", 3], ["/proc", 1], ["/srv", 1]]));
  assertEquals(words, [
    "m0/proc",
    "n0/proc",
    "R1/usr",
    "B3/tmp",
    // In a directory of the machine, the directory must be there.
    "e0/tmp/all",
    "d0/home",
    "B0/home/job",
    "B0/tmp/all/own",
    "r0/home/job/ci",
    "d0/elsewhere",
    "B0/elsewhere/own",
    "d0/proc",
    "m1/proc",
    "p1/srv",
    "z0/tmp/all",
  ]);
});

Deno.test("mountWords() keeps a command from replacing directories around a read-only one", () => {
  const words = pathWords({
    visible: { read: ["/usr"], write: ["/home/job"], links: [] },
    readOnly: ["/home/job/a/b/logs", "/elsewhere/logs"],
  }, new Map([["/home/job", 3]]));
  assertEquals(words.filter((word) => /home|elsewhere/.test(word)), [
    "d0/home",
    "B3/home/job",
    "b0/home/job/a",
    "b0/home/job/a/b",
    "r0/home/job/a/b/logs",
  ]);
});

Deno.test("mountWords() opens what stays visible before it hides what is around it", () => {
  const words = pathWords({
    hidden: [{ path: "/tmp/all", except: "/tmp/all/own" }, { path: "/var/x" }],
    readOnly: ["/job/ci"],
  }, new Map());
  assertEquals(words, [
    "o0/tmp/all/own",
    "e0/var/x",
    "r0/job/ci",
    "e0/tmp/all",
    "k0/tmp/all/own",
    "m0/proc",
    "z0/var/x",
    "z0/tmp/all",
  ]);
});

Deno.test("mountWords() gives a command its own terminals and memory, unless it may write to those of the machine", () => {
  const devices = (write: readonly string[], read: readonly string[] = []) =>
    mountWords(
      { visible: { read, write, links: [] } },
      new Map([["/dev/ptmx", 3]]),
    ).filter((word) => /pts|ptmx|shm/.test(word));
  assertEquals(devices(["/job", "/dev/ptmx"]), [
    "d0/dev/shm",
    "m0/dev/shm",
    "d0/dev/pts",
    "m0/dev/pts",
    "devpts",
    "mode=0620,ptmxmode=0666",
    "l0/dev/ptmx",
    "pts/ptmx",
  ]);
  assertEquals(devices(["/job", "/dev/ptmx"], ["/dev"]), [
    "m0/dev/shm",
    "m0/dev/pts",
    "devpts",
    "mode=0620,ptmxmode=0666",
    "x3/dev/ptmx",
  ]);
  assertEquals(devices(["/dev"]), ["p3/dev/ptmx"]);
});

Deno.test("mountWords() creates each directory once, before what is in it", () => {
  const words = mountWords({
    visible: {
      read: ["/opt/a", "/opt/b"],
      write: ["/opt/c/d", "/opt/c/e"],
      links: [{ path: "/opt/links/a", target: "../a" }],
    },
  }, new Map());
  assertEquals(words.filter((word) => /^d\d|^[RB]/.test(word)), [
    ...["d0/opt", "d0/opt/links", "d0/dev", "R0/opt/a", "R0/opt/b"],
    ...["d0/opt/c", "B0/opt/c/d", "B0/opt/c/e"],
    ...["d0/dev/shm", "d0/dev/pts", "d0/proc"],
  ]);
});
