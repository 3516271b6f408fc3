import { assertEquals } from "@std/assert";
import { readObject } from "../../../src/workflow/kubernetes/cluster_objects.ts";
import {
  exitIn,
  podState,
} from "../../../src/workflow/kubernetes/pod_state.ts";
import { Random } from "../../helpers/random.ts";

/** The status of a Pod whose job has ended. */
function ended(terminated: unknown) {
  return readObject({
    metadata: { name: "pod" },
    status: { containerStatuses: [{ name: "job", state: { terminated } }] },
  })!;
}

Deno.test("readObject() never reads an invalid exit code as success", () => {
  for (const exitCode of ["0", 256, -1, 0.5, null, undefined, [0]]) {
    const { exit } = podState(ended({ exitCode }));
    assertEquals(exit?.exitCode, 1, String(exitCode));
  }
  assertEquals(podState(ended({ exitCode: 0 })).exit, { exitCode: 0 });
});

Deno.test("readObject() rejects an object with an invalid name", () => {
  const wrong = ["--kubeconfig=/tmp/x", "-it", "..", "a/b", "a b", "A", ""];
  for (const name of [...wrong, "a\n", "a".repeat(254), 7, null, ["a"]]) {
    assertEquals(readObject({ metadata: { name } }), undefined, String(name));
  }
  for (const name of ["a", "reactorcide-job-1.x", "a".repeat(253)]) {
    assertEquals(readObject({ metadata: { name } })?.metadata.name, name);
  }
});

Deno.test("readObject() makes texts of the cluster safe to show", () => {
  const message = `\x1b[2J\x1b]0;title\x07no\nnode\r${"x".repeat(5_000)}`;
  const pod = readObject({
    metadata: { name: "pod" },
    status: { phase: "Failed", reason: "Evicted", message },
  })!;
  const { reason = "" } = podState(pod).exit!;
  assertEquals(/\p{Cc}/u.test(reason), false, reason);
  assertEquals(reason.length < 1_100, true);
});

Deno.test("readObject() reads objects of any form", () => {
  const random = new Random();
  const value = (depth: number): unknown => {
    const kinds = [null, 7, "text", true, undefined, {}, []];
    if (depth === 0 || random.below(5) === 0) return random.pick(kinds);
    if (random.below(4) === 0) return [value(depth - 1), value(depth - 1)];
    const keys = [
      ...["metadata", "name", "labels", "uid", "status", "phase", "reason"],
      ...["conditions", "type", "containerStatuses", "initContainerStatuses"],
      ...["state", "waiting", "terminated", "exitCode", "message", "signal"],
    ];
    return Object.fromEntries(
      Array.from({ length: 6 }, () => [random.pick(keys), value(depth - 1)]),
    );
  };
  for (let round = 0; round < 2_000; round++) {
    const metadata = { name: "x", labels: value(1) };
    const pod = readObject({ metadata, status: value(5) })!;
    readObject(value(4));
    const view = { pod, isPodGone: false, isJobGone: false };
    for (const isPodGone of [false, true]) {
      exitIn({ ...view, job: pod, isPodGone });
    }
  }
});
