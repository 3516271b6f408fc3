import { soon } from "./soon.ts";

/** An event that a server has sent. */
export interface ReceivedEvent {
  id: string;
  event: string;
  // deno-lint-ignore no-explicit-any
  data: any;
}

/** A stream of server-sent events, which is closed when it is disposed. */
export interface EventStream extends AsyncDisposable {
  /** Events so far. */
  readonly events: readonly ReceivedEvent[];
  /** Waits for an event, which may have arrived, and returns it. */
  sees(
    matches: (event: ReceivedEvent) => boolean,
    what: string,
  ): Promise<ReceivedEvent>;
  /** Text of the log of all steps so far. */
  readonly log: string;
}

/** Connects as a browser does, again if it knows the ID of the last event. */
export async function openEvents(
  url: string,
  lastEventId?: string,
): Promise<EventStream> {
  const response = await fetch(url, {
    headers: lastEventId === undefined ? {} : { "last-event-id": lastEventId },
  });
  if (!response.ok) throw new Error(await response.text());
  const reader = response.body!.getReader();
  const events: ReceivedEvent[] = [];
  let wake = () => {};
  let isOver = false;
  const reading = read().catch(() => {}).finally(() => {
    isOver = true;
    wake();
  });
  return {
    events,
    get log() {
      return events.filter(({ event }) => event === "log")
        .map(({ data }) =>
          (data.pieces as [string][]).map(([text]) => text).join("")
        ).join("");
    },
    sees: (matches, what) =>
      soon(
        (async () => {
          while (true) {
            const found = events.find(matches);
            if (found !== undefined) return found;
            if (isOver) throw new Error(`The stream ended without ${what}`);
            await new Promise<void>((resolve) => wake = resolve);
          }
        })(),
        what,
      ),
    async [Symbol.asyncDispose]() {
      // The server may have closed the connection.
      await reader.cancel().catch(() => {});
      await reading;
    },
  };

  async function read(): Promise<void> {
    let text = "";
    const decoder = new TextDecoder();
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        const fields = new Map(
          block.split("\n").map((line) => {
            const colon = line.indexOf(":");
            return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
          }),
        );
        if (!fields.has("event")) continue;
        events.push({
          id: fields.get("id") ?? "",
          event: fields.get("event")!,
          data: JSON.parse(fields.get("data")!),
        });
      }
      wake();
    }
  }
}
