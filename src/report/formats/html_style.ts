/** Style of the page of a run, for both color schemes, wide and narrow. */
export const STYLE: string = `
:root {
  --ground: #fff; --text: #1c2024; --muted: #5b6470; --line: #d8dde3;
  --panel: #f5f7f9; --success: #1a7f45; --failed: #c62f2f; --other: #5f6873;
  --queued: #aab5c2; --work: #7d8fd0; --flaky: #8a5a00; --accent: #2457c5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --text: #e4e8ec; --muted: #a2acb7; --line: #333a42;
    --panel: #1d2126; --success: #4cc07c; --failed: #ff7b72; --other: #929ca7;
    --queued: #59646f; --work: #6f80c4; --flaky: #e0b050; --accent: #8fb2ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif;
}
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .75rem; font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
section { margin-top: 2.25rem; scroll-margin-top: 1rem; }
p { margin: .25rem 0; }
a { color: var(--accent); }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
header { border-left: 6px solid var(--other); padding: .1rem 0 .1rem 1.1rem; }
header.success { border-color: var(--success); }
header.running { border-color: var(--accent); }
header.failed, header.timeout { border-color: var(--failed); }
.status {
  text-transform: uppercase; font-size: .8rem; letter-spacing: .06em; line-height: 1;
  padding: .4em .7em; border-radius: 99px; background: var(--other); color: var(--ground);
}
.success .status { background: var(--success); }
.running .status { background: var(--accent); }
.failed .status, .timeout .status { background: var(--failed); }
.counts { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; font-weight: 600; }
nav { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin-top: .5rem; font-size: .9rem; }
.error { color: var(--failed); font-size: 1.05rem; overflow-wrap: anywhere; }
.muted, .note, small { color: var(--muted); }
.muted b { color: var(--text); }
.note, small { font-size: .85rem; font-weight: normal; }
small { display: block; }
.mark { display: inline-block; width: 1em; margin-right: .3em; text-align: center; font-weight: 700; }
.failed, .timeout { color: var(--failed); }
.success, .neutral { color: var(--success); }
.running, .retrying { color: var(--accent); }
.waiting, .queued { color: var(--muted); }
.allowed { color: var(--flaky); }
.skipped, .cancelled { color: var(--other); }
header.success, header.failed, header.timeout, header.running, header.cancelled { color: inherit; }
.critical-path { overflow-wrap: anywhere; }
.critical-path span { white-space: normal; }
.critical-path small { display: inline; }
.critical-path i { color: var(--accent); font-style: normal; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; font-size: .85rem; color: var(--muted); }
.legend svg { vertical-align: -1px; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td {
  text-align: left; font-weight: normal; vertical-align: top;
  padding: .4rem .75rem .4rem 0; border-top: 1px solid var(--line);
  overflow-wrap: anywhere;
}
thead th { color: var(--muted); font-size: .85rem; border-top: 0; }
.timeline { margin-top: .5rem; }
th:first-child { width: 26%; }
.timeline th:first-child { width: 20%; }
.comparison th:first-child { width: 24%; }
.comparison .bar { width: 34%; padding-right: 0; }
.bar .change { float: left; width: 4.5rem; font-variant-numeric: tabular-nums; }
.comparison .bar svg { width: calc(100% - 5rem); margin-left: 5rem; height: 12px; margin-top: .35rem; background: linear-gradient(var(--queued) 0 0) center / 1px 100% no-repeat, var(--panel); }
.number { text-align: right; width: 5rem; font-variant-numeric: tabular-nums; padding-right: 1rem; }
.timeline .bar { width: 47%; padding-right: 0; }
.ticks { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }
.bar svg { display: block; width: 100%; height: 16px; margin-top: .25rem; overflow: visible; }
.bar svg, .overview {
  background: repeating-linear-gradient(to right, var(--line) 0 1px, transparent 1px 25%), var(--panel);
}
.overview { display: block; width: 100%; margin: .75rem 0; }
.timeline tbody tr:hover { background: var(--panel); }
.work th, .work td { color: var(--muted); }
th.critical { font-weight: 600; }
rect { fill: var(--other); }
rect.queued { fill: var(--queued); }
rect.work { fill: var(--work); }
rect.success, rect.neutral { fill: var(--success); }
rect.failed, rect.timeout { fill: var(--failed); }
rect.allowed { fill: var(--flaky); }
rect.running, rect.critical { fill: var(--accent); }
details { border: 1px solid var(--line); border-radius: 8px; margin: .6rem 0; overflow: hidden; }
details.failure { border-left: 4px solid var(--failed); }
summary { padding: .6rem .85rem; cursor: pointer; overflow-wrap: anywhere; }
summary:focus-visible { outline-offset: -2px; }
details p { padding: 0 .85rem .4rem; }
details.all > table { margin: 0 .85rem .5rem; width: calc(100% - 1.7rem); }
pre {
  margin: 0; padding: .75rem .85rem; overflow: auto; max-height: 30rem;
  background: var(--panel); white-space: pre-wrap; overflow-wrap: anywhere;
}
pre + p { padding-top: .4rem; }
pre .dim { color: var(--muted); }
pre .inverse { background: var(--text); color: var(--ground); }
pre .bold { font-weight: 700; }
pre .italic { font-style: italic; }
pre .underlined { text-decoration: underline; }
pre .struck { text-decoration: line-through; }
pre .underlined.struck { text-decoration: underline line-through; }
.scroll { overflow-x: auto; }
.graph { display: block; }
.graph text { fill: var(--text); font: 12px system-ui, sans-serif; }
.graph .name { font-weight: 600; }
.graph .result { fill: var(--other); font-size: 11px; }
.graph .result.failed, .graph .result.timeout { fill: var(--failed); }
.graph .result.success, .graph .result.neutral { fill: var(--success); }
.graph .result.allowed { fill: var(--flaky); }
.graph .result.running { fill: var(--accent); }
.graph path { fill: none; stroke: var(--queued); stroke-width: 1.5; }
.graph path.on-path { stroke: var(--accent); stroke-width: 2.5; }
.graph rect.box { fill: var(--panel); stroke: var(--other); stroke-width: 1.5; }
.graph rect.box.on-path { stroke-width: 2.5; }
.graph rect.box.success, .graph rect.box.neutral { stroke: var(--success); }
.graph rect.box.failed, .graph rect.box.timeout { stroke: var(--failed); }
.graph rect.box.allowed { stroke: var(--flaky); }
.graph rect.box.running { stroke: var(--accent); }
.graph rect.box.skipped, .graph rect.box.cancelled, .graph rect.box.waiting { stroke-dasharray: 4 3; }
dl { display: grid; grid-template-columns: minmax(6rem, 12rem) 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
ol, ul { margin: 0; padding-left: 1.5rem; }
.slowest { padding: 0; list-style: none; }
.slowest li { display: grid; grid-template-columns: 1fr auto; padding: .3rem 0; overflow-wrap: anywhere; }
.slowest .number { padding: 0; }
.slowest svg { grid-column: 1 / -1; display: block; width: 100%; height: 5px; background: var(--panel); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (min-width: 56rem) {
  .graph.fits { max-width: 100%; height: auto; }
  .half { display: inline-block; width: calc(50% - 1.5rem); vertical-align: top; }
  .half + .half { margin-left: 2.5rem; }
}
@media (max-width: 40rem) {
  main { padding: 1rem 1rem 3rem; }
  h1 { font-size: 1.35rem; }
  thead { display: none; }
  tr { display: grid; grid-template-columns: 1fr auto; border-top: 1px solid var(--line); padding: .45rem 0; }
  th, td { border-top: 0; padding: 0 .5rem .1rem 0; width: auto; }
  th:first-child, .timeline th:first-child, .timeline .bar { width: auto; }
  td:nth-child(2) { grid-column: 1 / -1; }
  .number { width: auto; grid-row: 1; grid-column: 2; padding-right: 0; }
  .timeline .bar { grid-column: 1 / -1; }
  .bar svg { margin-top: .1rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
}
`;
