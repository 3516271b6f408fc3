/**
 * Script of the pages of the server. It redraws the content when the server
 * sends an event, and appends lines to the logs of running steps, as text.
 *
 * It changes only nodes that differ from those sent before, which keeps what is
 * expanded, focused, selected or scrolled.
 */
export const LIVE_SCRIPT: string = `
const head = document.querySelector("#head");
const content = document.querySelector("#content");
const output = document.querySelector("#output");
const cards = document.querySelector("#cards");
const live = document.querySelector("#live");
const MAX_LOG = 262144, MAX_LOGS = 24;
const logs = new Map();
let isDrawing = false, isStale = false, isRunning = !output.hidden, drawn = "";


function morph(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  const isOpen = (name) => name === "open" && old.nodeName === "DETAILS";
  if (old !== head && old !== content) {
    for (const { name } of [...old.attributes]) {
      if (!next.hasAttribute(name) && !isOpen(name)) old.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (old.getAttribute(name) !== value && !isOpen(name)) old.setAttribute(name, value);
    }
  }
  const keyed = new Map();
  for (const child of old.children) {
    if (child.dataset.key !== undefined) keyed.set(child.dataset.key, child);
  }
  let at = old.firstChild;
  for (const child of [...next.childNodes]) {
    const key = child.dataset?.key;
    const same = key !== undefined ? keyed.get(key) : at?.dataset?.key === undefined ? at : null;
    if (same?.nodeName !== child.nodeName) {
      old.insertBefore(child, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    morph(same, child);
  }
  while (at) {
    const rest = at.nextSibling;
    at.remove();
    at = rest;
  }
}

function draw({ top, html }) {
  const text = top + html;
  if (text === drawn) return;
  drawn = text;
  for (const [old, next] of [[head, top], [content, html]]) {
    morph(old, new DOMParser().parseFromString(next, "text/html").body);
  }
}

async function update() {
  isStale = true;
  if (isDrawing || document.visibilityState === "hidden") return;
  isDrawing = true;
  try {
    while (isStale) {
      isStale = false;
      const start = performance.now();
      const response = await window.fetch("content", { cache: "no-store" });
      if (!response.ok) break;
      const next = await response.json();
      draw(next);
      isRunning = next.isRunning;
      arrange();
      document.title = next.title;
      // Long pages are drawn less often, so that they do not slow the run down.
      const pause = Math.max(250, 30 * (performance.now() - start));
      await new Promise((resolve) => setTimeout(resolve, Math.min(pause, 10_000)));
    }
  } catch {
    isStale = true;
  } finally {
    isDrawing = false;
  }
}

function getLog(step, name) {
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
  cards.append(details);
  arrange();
  return log;
}

function isAtEnd(pre) {
  return pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
}

// The part that is being read stays in place.
function end(step) {
  const log = logs.get(step);
  if (!log) return;
  logs.delete(step);
  const { details, pre } = log;
  const selection = getSelection();
  const isRead = details.contains(document.activeElement) || !isAtEnd(pre) ||
    !selection.isCollapsed && selection.containsNode(pre, true);
  if (isRead) details.dataset.over = "";
  else details.remove();
  arrange();
}

function arrange() {
  const over = cards.querySelectorAll("[data-over]");
  for (const old of [...over].slice(0, Math.max(0, cards.children.length - MAX_LOGS))) old.remove();
  output.hidden = !isRunning && cards.children.length === 0;
}

function shorten(pre) {
  let length = pre.textContent.length;
  while (length > MAX_LOG / 2) {
    length -= pre.firstChild.textContent.length;
    pre.firstChild.remove();
  }
}

function show(state) {
  live.textContent = state;
  live.className = state === "live" ? "success" : "failed";
}

const source = new EventSource("events");
source.addEventListener("open", () => {
  show("live");
  if (isStale) update();
});
source.addEventListener("error", () => {
  show(source.readyState === EventSource.CLOSED ? "not live" : "connection lost");
});
source.addEventListener("change", (event) => {
  if (JSON.parse(event.data).isNew) {
    logs.clear();
    cards.replaceChildren();
    arrange();
  }
  update();
});
source.addEventListener("log", (event) => {
  const { step, name, pieces } = JSON.parse(event.data);
  const { pre } = getLog(step, name);
  const follows = isAtEnd(pre);
  pre.append(...pieces.map(([text, classes]) => {
    if (classes === undefined) return text;
    const span = document.createElement("span");
    span.className = classes;
    span.textContent = text;
    return span;
  }));
  if (pre.textContent.length > MAX_LOG) shorten(pre);
  if (follows) pre.scrollTop = pre.scrollHeight;
});
source.addEventListener("log-end", (event) => end(JSON.parse(event.data).step));
document.addEventListener("visibilitychange", () => { if (isStale) update(); });
`;
