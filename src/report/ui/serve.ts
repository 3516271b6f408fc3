import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { readAt } from "../../fs/untrusted_file.ts";
import { normalizePath } from "../../job_path.ts";
import { pause } from "../../process/time_limit.ts";
import type { RunRecord } from "../run_record.ts";
import {
  listContent,
  LIVE_POLICY,
  livePage,
  LOG_POLICY,
  logPage,
  type PageContent,
  runContent,
} from "./live_page.ts";
import { browserText, RunFinder, runId, StepLogs } from "./recorded_runs.ts";
import {
  Cursor,
  RecordFollower,
  runEvents,
  type ServerEvent,
} from "./run_events.ts";

const HOSTNAME = "127.0.0.1";

/** Maximum number of records that are kept in memory. */
const MAX_FOLLOWED = 8;

/** Maximum number of open event streams. */
const MAX_STREAMS = 64;

/** Interval at which the list of runs is updated, in milliseconds. */
const LIST_MS = 1_000;

/** Maximum share of the time that searching for runs may take. */
const LIST_SHARE = 0.05;

/**
 * Maximum size of a log that is shown, in bytes; only the end of a longer one
 * is shown.
 */
const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** The same for a page with its colors. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024;

/** Time after which a browser connects again, in milliseconds. */
const RETRY_MS = 1_000;

const encoder = new TextEncoder();

/**
 * Headers of every response: other pages cannot read or frame it, and browsers
 * do not cache it.
 */
const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store, no-transform",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Options for {@linkcode serveRuns}. */
export interface ServeRunsOptions {
  /** Absolute path of the directory with the records, free of links. */
  directory: string;
  /** Port, or 0 for a free one. */
  port: number;
  /** Ends the server. */
  signal: AbortSignal;
}

/** A server of pages about runs. */
export interface RunServer {
  /** Address of the list of runs; anyone who knows it can read the runs. */
  readonly url: string;
  /** Resolves when the server has stopped. */
  readonly finished: Promise<void>;
}

/**
 * Serves pages about the runs below a directory, to this machine only. It reads
 * their records and logs, and changes nothing.
 *
 * Programs of other users and other pages of the browser can reach the port.
 * Therefore the path has a part that cannot be guessed, and requests for another
 * host (DNS rebinding) or from another page are refused.
 *
 * @param options Directory, port and end.
 * @returns The server, which listens.
 * @throws The error of the system if it cannot listen.
 */
export function serveRuns(options: ServeRunsOptions): RunServer {
  const { port, signal } = options;
  const token = crypto.getRandomValues(new Uint8Array(32))
    .toBase64({ alphabet: "base64url", omitPadding: true });
  const pages = new Pages(options);
  let hosts: readonly string[] = [];
  const server = Deno.serve({
    hostname: HOSTNAME,
    port,
    signal,
    onListen() {},
    onError: () => refuse(500, "Internal error"),
  }, async (request) => {
    const refusal = checkRequest(request, hosts);
    if (refusal !== undefined) return refusal;
    const path = new URL(request.url).pathname;
    if (!isEqual(path.slice(1, token.length + 1), token)) return notFound();
    const response = await pages.respond(path.slice(token.length + 1), request);
    if (request.method !== "HEAD") return response;
    await response.body?.cancel();
    return new Response(null, response);
  });
  const { port: bound } = server.addr;
  hosts = [HOSTNAME, "localhost"].map((name) => `${name}:${bound}`);
  return {
    url: `http://${HOSTNAME}:${bound}/${token}/`,
    finished: server.finished,
  };
}

/**
 * Refuses requests that come from neither a page of this server nor its user.
 */
function checkRequest(
  { url, method, headers }: Request,
  hosts: readonly string[],
): Response | undefined {
  const host = headers.get("host") ?? "";
  if (!hosts.includes(host) || new URL(url).host !== host) {
    return refuse(403, "Wrong host");
  }
  const origin = headers.get("origin");
  const site = headers.get("sec-fetch-site") ?? "none";
  const isSameOrigin = origin === null || origin === `http://${host}`;
  if (!isSameOrigin || site !== "none" && site !== "same-origin") {
    return refuse(403, "Wrong origin");
  }
  if (method === "GET" || method === "HEAD") return undefined;
  return refuse(405, "Only GET and HEAD are allowed", { allow: "GET, HEAD" });
}

/** Compares texts in a time that depends only on their length. */
function isEqual(text: string, expected: string): boolean {
  let difference = text.length ^ expected.length;
  for (let at = 0; at < expected.length; at++) {
    difference |= text.charCodeAt(at) ^ expected.charCodeAt(at);
  }
  return difference === 0;
}

/** The pages below the part of the path that cannot be guessed. */
class Pages {
  readonly #directory: string;
  readonly #signal: AbortSignal;
  readonly #finder: RunFinder;
  readonly #followers = new Map<string, RecordFollower>();
  #streams = 0;

  constructor({ directory, signal }: ServeRunsOptions) {
    this.#directory = directory;
    this.#signal = signal;
    this.#finder = new RunFinder(directory);
  }

  async respond(path: string, request: Request): Promise<Response> {
    const [, id, rest] = path.match(/^\/run\/([0-9a-f]{32})\/(.*)$/) ?? [];
    if (id === undefined) {
      switch (path) {
        case "/":
          return createPageResponse(await this.#list(), { hasList: false });
        case "/content":
          return createJsonResponse(await this.#list());
        case "/events":
          return this.#stream(request, (signal) => this.#listEvents(signal));
        default:
          return notFound();
      }
    }
    const follower = await this.#follow(id);
    if (follower === undefined) return notFound();
    const logs = new StepLogs(follower.path, this.#directory);
    const [, step, isText] = rest.match(/^log\/(\d{1,5})(\.txt)?$/) ?? [];
    if (step !== undefined) {
      return await createLogResponse(follower, logs, {
        step: Number(step),
        isText: isText !== undefined,
      });
    }
    if (rest === "events") {
      const cursor = Cursor.parse(request.headers.get("last-event-id"));
      return this.#stream(request, async function* (signal) {
        const events = runEvents({ follower, logs, cursor, signal });
        for await (const event of events) {
          yield event && `id: ${cursor}\n${formatEvent(event)}`;
        }
      });
    }
    if (rest !== "" && rest !== "content") return notFound();
    await follower.refresh();
    const start = performance.now();
    const { record, problem } = follower;
    const runAddresses = await this.#runAddresses(follower.path, record);
    const content = runContent({ record, problem, runAddresses });
    const response = rest === ""
      ? createPageResponse(content, { hasList: true })
      : createJsonResponse(content);
    follower.drawMs = performance.now() - start;
    return response;
  }

  async #list(): Promise<PageContent> {
    const runs = await this.#finder.find();
    return listContent(runs, basename(this.#directory) || "/");
  }

  async #follow(id: string): Promise<RecordFollower | undefined> {
    const path = await this.#finder.findPath(id);
    if (path === undefined) return undefined;
    const known = this.#followers.get(path);
    const follower = known ?? new RecordFollower(path, this.#directory);
    // The most recently used one is removed last.
    this.#followers.delete(path);
    this.#followers.set(path, follower);
    const [oldest] = this.#followers.keys();
    if (this.#followers.size > MAX_FOLLOWED) this.#followers.delete(oldest);
    return follower;
  }

  /** Finds the addresses of the runs to whose records a workflow points. */
  async #runAddresses(
    path: string,
    record: RunRecord | undefined,
  ): Promise<Map<number, string>> {
    const addresses = new Map<number, string>();
    for (const [index, { record: job }] of (record?.steps ?? []).entries()) {
      if (job === undefined) continue;
      const target = normalizePath(`${dirname(path)}/${job}`);
      if (!target.startsWith(`${this.#directory}/`)) continue;
      const id = await runId(target.slice(this.#directory.length + 1));
      addresses.set(index, `../${id}/`);
    }
    return addresses;
  }

  async *#listEvents(signal: AbortSignal): AsyncGenerator<string> {
    let last: string | undefined;
    while (!signal.aborted) {
      const start = performance.now();
      const html = String((await this.#list()).html);
      if (html !== last) {
        last = html;
        yield formatEvent({ event: "change", data: {} });
      }
      const takenMs = performance.now() - start;
      await pause(Math.max(LIST_MS, takenMs / LIST_SHARE), signal);
    }
  }

  #stream(
    request: Request,
    open: (signal: AbortSignal) => AsyncGenerator<string | undefined>,
  ): Response {
    if (request.method === "HEAD") {
      return new Response(null, createEventHeaders());
    }
    if (this.#streams >= MAX_STREAMS) return refuse(503, "Too many readers");
    this.#streams++;
    const closing = new AbortController();
    const signal = AbortSignal.any([this.#signal, closing.signal]);
    const events = open(signal);
    const end = () => {
      if (closing.signal.aborted) return;
      closing.abort();
      this.#streams--;
    };
    const body = new ReadableStream<Uint8Array>({
      start: (controller) =>
        controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`)),
      async pull(controller) {
        try {
          const { value, done } = await events.next();
          if (!done) {
            return controller.enqueue(encoder.encode(value ?? ":\n\n"));
          }
        } catch {
          // The browser reconnects, and the page shows the problem.
        }
        end();
        controller.close();
      },
      cancel: end,
    });
    return new Response(body, createEventHeaders());
  }
}

async function createLogResponse(
  follower: RecordFollower,
  logs: StepLogs,
  { step, isText }: { step: number; isText: boolean },
): Promise<Response> {
  await follower.refresh();
  const { record } = follower;
  await using file = record && await logs.open(record, step);
  if (file === undefined) return refuse(404, "The log of this step is missing");
  const { size } = file;
  const maxBytes = isText ? MAX_LOG_BYTES : MAX_PAGE_BYTES;
  const bytes = await readAt(file, Math.max(0, size - maxBytes), size);
  if (!isText) {
    const text = browserText(new TextDecoder().decode(bytes));
    const name = record?.steps[step]?.name ?? "";
    return createHtmlResponse(logPage(name, text, size > maxBytes), LOG_POLICY);
  }
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: {
      ...HEADERS,
      "content-security-policy":
        "default-src 'none'; frame-ancestors 'none'; sandbox",
      "content-type": "text/plain; charset=utf-8",
    },
  });
}

function formatEvent({ event, data }: ServerEvent): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function createEventHeaders(): ResponseInit {
  return { headers: { ...HEADERS, "content-type": "text/event-stream" } };
}

function createPageResponse(
  content: PageContent,
  options: { hasList: boolean },
): Response {
  return createHtmlResponse(livePage(content, options), LIVE_POLICY);
}

function createHtmlResponse(document: string, policy: string): Response {
  return new Response(document, {
    headers: {
      ...HEADERS,
      "content-security-policy": `${policy}; frame-ancestors 'none'`,
      "content-type": "text/html; charset=utf-8",
    },
  });
}

function createJsonResponse({ top, html, ...content }: PageContent): Response {
  return Response.json(
    { ...content, top: String(top), html: String(html) },
    { headers: HEADERS },
  );
}

function notFound(): Response {
  return refuse(404, "Not found");
}

function refuse(
  status: number,
  text: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${text}\n`, {
    status,
    headers: { ...HEADERS, ...headers, "content-type": "text/plain" },
  });
}
