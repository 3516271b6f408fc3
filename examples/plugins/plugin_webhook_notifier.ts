import type { Plugin } from "@reactorcide/runnerlib/plugins";

/**
 * Grant it with `--allow-plugin webhook_notifier:env=WEBHOOK_URL` and
 * `--allow-plugin webhook_notifier:net=hooks.slack.com`, or another host.
 */
export const manifest = {
  permissions: { env: ["WEBHOOK_URL"], net: ["*"] },
};

/**
 * Posts how a job ended to a webhook that takes what Slack takes; the address
 * is in `WEBHOOK_URL`, of which the job itself knows nothing.
 */
const notifier: Plugin = {
  name: "webhook_notifier",
  // What cannot be told to a chat is no reason for a job to fail.
  errorPolicy: "continue",
  async cleanup({ exitCode, error, config, signal }) {
    const url = Deno.env.get("WEBHOOK_URL");
    if (url === undefined) throw new Error("WEBHOOK_URL is not set");
    const command = config.get("job_command") ?? "the job";
    const text = error === undefined
      ? `:white_check_mark: \`${command}\` has succeeded`
      : `:x: \`${command}\` has failed (exit code ${exitCode ?? "none"})`;
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text }),
      signal,
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the webhook said ${response.status}`);
  },
};

export default notifier;
