/**
 * Script of the pages of the server. It draws the content again when the server
 * says so, and adds lines to the logs of running steps, as text.
 *
 * What is open, focused or scrolled stays so: only parts that differ from what
 * the server sent before are replaced. The first part goes above the logs.
 */
export const LIVE_SCRIPT: string = `
const head = document.querySelector("#head");
const content = document.querySelector("#content");
const output = document.querySelector("#output");
const live = document.querySelector("#live");
const MAX_LOG = 262144, MAX_LOGS = 24;
const sent = new WeakMap();
const logs = new Map();
let isDrawing = false, isStale = false;

for (const part of content.children) sent.set(part, part.outerHTML);
head.append(content.firstElementChild);

function focusable(part) {
  return [...part.querySelectorAll("a, summary, [tabindex]")];
}

function replace(old, part) {
  const focused = focusable(old).indexOf(document.activeElement);
  const details = [...old.querySelectorAll("details")];
  for (const [at, one] of [...part.querySelectorAll("details")].entries()) {
    const before = details.find((other) =>
      other.querySelector("b")?.textContent === one.querySelector("b")?.textContent);
    if (before) one.open = before.open;
  }
  const scrolled = [...old.querySelectorAll(".scroll, pre")].map((one) => [one.scrollLeft, one.scrollTop]);
  old.replaceWith(part);
  for (const [at, one] of [...part.querySelectorAll(".scroll, pre")].entries()) {
    if (scrolled[at]) [one.scrollLeft, one.scrollTop] = scrolled[at];
  }
  if (focused >= 0) focusable(part)[focused]?.focus({ preventScroll: true });
}

function draw(html) {
  const next = [...new DOMParser().parseFromString(html, "text/html").body.children];
  const now = [...head.children, ...content.children];
  for (const [at, part] of next.entries()) {
    const text = part.outerHTML;
    if (now[at] && sent.get(now[at]) === text) continue;
    sent.set(part, text);
    if (now[at]) replace(now[at], part);
    else content.append(part);
  }
  for (const part of now.slice(next.length)) part.remove();
}

async function update() {
  isStale = true;
  if (isDrawing || document.visibilityState === "hidden") return;
  isDrawing = true;
  try {
    while (isStale) {
      isStale = false;
      const response = await window.fetch("content", { cache: "no-store" });
      if (!response.ok) break;
      const { title, html } = await response.json();
      draw(html);
      document.title = title;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  } catch {
    isStale = true;
  } finally {
    isDrawing = false;
  }
}

function logOf(step, name) {
  let log = logs.get(step);
  if (log) return log;
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const bold = document.createElement("b");
  const pre = document.createElement("pre");
  bold.textContent = name;
  summary.append(bold);
  pre.tabIndex = 0;
  pre.setAttribute("aria-label", "Output of " + name);
  details.append(summary, pre);
  details.open = true;
  log = { details, pre };
  logs.set(step, log);
  output.append(details);
  output.hidden = false;
  for (const old of [...output.querySelectorAll("details[data-over]")].slice(0, Math.max(0, output.querySelectorAll("details").length - MAX_LOGS))) old.remove();
  return log;
}

function shorten(pre) {
  let length = pre.textContent.length;
  while (length > MAX_LOG / 2) {
    length -= pre.firstChild.textContent.length;
    pre.firstChild.remove();
  }
}

const source = new EventSource("events");
source.addEventListener("open", () => live.textContent = "live");
source.addEventListener("error", () => live.textContent = "connection lost");
source.addEventListener("change", (event) => {
  if (JSON.parse(event.data).isNew) {
    logs.clear();
    for (const one of output.querySelectorAll("details")) one.remove();
    output.hidden = true;
  }
  update();
});
source.addEventListener("log", (event) => {
  const { step, name, pieces } = JSON.parse(event.data);
  const { pre } = logOf(step, name);
  const isAtEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
  pre.append(...pieces.map(([text, classes]) => {
    if (classes === undefined) return text;
    const span = document.createElement("span");
    span.className = classes;
    span.textContent = text;
    return span;
  }));
  if (pre.textContent.length > MAX_LOG) shorten(pre);
  if (isAtEnd) pre.scrollTop = pre.scrollHeight;
});
source.addEventListener("log-end", (event) => {
  const log = logs.get(JSON.parse(event.data).step);
  if (!log) return;
  log.details.dataset.over = "";
  if (!log.details.contains(document.activeElement)) log.details.open = false;
  logs.delete(JSON.parse(event.data).step);
});
document.addEventListener("visibilitychange", () => { if (isStale) update(); });
`;
