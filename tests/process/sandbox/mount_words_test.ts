import { assertEquals } from "@std/assert";
import { mountWords } from "../../../src/process/sandbox/mount_words.ts";

/** Words that are not about links or devices. */
function pathWords(...parameters: Parameters<typeof mountWords>): string[] {
  return mountWords(...parameters).filter((word) =>
    !/^[>l]|\/dev\//.test(word)
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
    "n0",
    "R1/usr",
    "B3/tmp",
    // In a directory of the machine, the directory must be there.
    "e0/tmp/all",
    "B0/home/job",
    "B0/tmp/all/own",
    "r0/home/job/ci",
    "B0/elsewhere/own",
    "P1/proc",
    "p1/srv",
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
    "B0/tmp/all/own",
  ]);
});

Deno.test("mountWords() gives a command its own terminals and memory, unless it may write to those of the machine", () => {
  const devices = (write: readonly string[], read: readonly string[] = []) =>
    mountWords(
      { visible: { read, write, links: [] } },
      new Map([["/dev/ptmx", 3]]),
    ).filter((word) => /pts|ptmx|shm/.test(word));
  assertEquals(devices(["/job", "/dev/ptmx"]), [
    "M0/dev/shm",
    "T0/dev/pts",
    ">0pts/ptmx",
    "l0/dev/ptmx",
  ]);
  assertEquals(devices(["/job", "/dev/ptmx"], ["/dev"]), [
    "m0/dev/shm",
    "t0/dev/pts",
    "x3/dev/ptmx",
  ]);
  assertEquals(devices(["/dev"]), ["p3/dev/ptmx"]);
});
