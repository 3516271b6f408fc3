/** Style of the page of a run, for both color schemes, wide and narrow. */
export const STYLE: string = `
:root {
  --ground: #fff; --text: #1c2024; --muted: #5b6470; --line: #d8dde3;
  --panel: #f5f7f9; --success: #1a7f45; --failed: #c62f2f; --other: #6b7480;
  --queued: #c3ccd6; --flaky: #8a5a00; --accent: #2457c5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --text: #e4e8ec; --muted: #a2acb7; --line: #333a42;
    --panel: #1d2126; --success: #4cc07c; --failed: #ff7b72; --other: #929ca7;
    --queued: #4a545f; --flaky: #e0b050; --accent: #8fb2ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif;
}
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; }
header { border-left: 6px solid var(--other); padding: .25rem 0 .25rem 1rem; }
header.success { border-color: var(--success); }
header.running { border-color: var(--accent); }
header.failed, header.timeout { border-color: var(--failed); }
.status { text-transform: uppercase; font-size: .8em; letter-spacing: .05em; color: var(--other); }
.success .status { color: var(--success); }
.running .status { color: var(--accent); }
.failed .status, .timeout .status { color: var(--failed); }
.counts span { margin-right: .75rem; color: var(--muted); }
.error { color: var(--failed); overflow-wrap: anywhere; }
.legend, .muted, small { color: var(--muted); }
.legend { font-size: .85rem; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td {
  text-align: left; font-weight: normal; vertical-align: top;
  padding: .3rem .5rem .3rem 0; border-top: 1px solid var(--line);
  overflow-wrap: anywhere;
}
thead th { color: var(--muted); font-size: .85rem; border-top: 0; }
th:first-child { width: 26%; }
.number { text-align: right; width: 5.5rem; font-variant-numeric: tabular-nums; padding-right: 1rem; }
.bar { width: 40%; }
.bar svg { display: block; width: 100%; height: 12px; margin-top: .35rem; background: var(--panel); }
small { display: block; }
td.failed, td.timeout, .mark.failed { color: var(--failed); }
td.success, td.neutral { color: var(--success); }
td.running, td.retrying { color: var(--accent); }
td.waiting, td.queued { color: var(--muted); }
td.allowed { color: var(--flaky); }
td.skipped, td.cancelled { color: var(--other); }
.critical { font-weight: 600; text-decoration: underline; text-decoration-color: var(--accent); text-decoration-thickness: 2px; text-underline-offset: 3px; }
rect.queued { fill: var(--queued); }
rect.success, rect.neutral { fill: var(--success); }
rect.failed, rect.timeout { fill: var(--failed); }
rect.running { fill: var(--accent); }
rect.cancelled, rect.skipped { fill: var(--other); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
summary { padding: .5rem .75rem; cursor: pointer; overflow-wrap: anywhere; }
details p { padding: 0 .75rem; }
pre {
  margin: 0; padding: .75rem; overflow: auto; max-height: 30rem;
  background: var(--panel); font: 13px/1.45 ui-monospace, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
.scroll { overflow-x: auto; }
.graph text { fill: var(--text); font: 12px system-ui, sans-serif; text-anchor: middle; }
.graph path { fill: none; stroke: var(--other); stroke-width: 1.5; }
.graph rect.box { fill: var(--panel); stroke: var(--other); stroke-width: 1.5; }
.graph rect.box.success, .graph rect.box.neutral { stroke: var(--success); }
.graph rect.box.failed, .graph rect.box.timeout { stroke: var(--failed); }
.graph rect.box.running { stroke: var(--accent); }
a { color: var(--accent); }
dl { display: grid; grid-template-columns: minmax(6rem, 12rem) 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
ol, ul { margin: 0; padding-left: 1.5rem; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 40rem) {
  thead { display: none; }
  tr { display: grid; grid-template-columns: 1fr auto; border-top: 1px solid var(--line); padding: .4rem 0; }
  th, td { border-top: 0; padding: 0 .5rem .15rem 0; width: auto; }
  th:first-child { width: auto; }
  .number { width: auto; grid-row: 1; grid-column: 2; }
  .bar { grid-column: 1 / -1; width: 100%; }
  .bar svg { margin-top: .1rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
}
`;
