import type { Plugin, PluginContext } from "@reactorcide/runnerlib/plugins";

/** Records how long the source and the command of a job take. Needs no rights. */
const timer: Plugin = {
  name: "job_timer",
  // First to begin, last to end: what others do counts, too.
  priority: 0,
  preSourcePrep: ({ state }) => state.set("source", performance.now()),
  postSourcePrep: (context) => stop(context, "source"),
  preExecution: ({ state }) => state.set("execution", performance.now()),
  postExecution: (context) => stop(context, "execution"),
};

function stop({ state, metric, log }: PluginContext, what: string): void {
  const ms = performance.now() - Number(state.get(what));
  metric(`${what}_ms`, ms);
  log(`${what}: ${(ms / 1000).toFixed(3)} s`);
}

export default timer;
