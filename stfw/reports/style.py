"""The report's look: one column, calm type, both colour schemes, and paper."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark;
  --ink: #22262c; --soft: #616873; --line: #e2e5e9; --page: #f6f7f8; --card: #ffffff;
  --right: #2c6e9b; --wrong: #b04a12; --wait: #d9a441; --rest: #a3a9b3; }
@media screen and (prefers-color-scheme: dark) { :root {
  --ink: #e3e6ea; --soft: #a0a7b2; --line: #30353d; --page: #131518; --card: #1b1e23;
  --right: #5aa5d6; --wrong: #e58a4f; --wait: #d9a441; --rest: #6d7581; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 system-ui, sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%; }
main { max-width: 1000px; margin: 0 auto; padding: 28px 20px 60px; }
header, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 22px 26px; margin: 0 0 16px; }
h1 { font-size: 26px; line-height: 1.25; margin: 2px 0 0; font-weight: 600;
  overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 12px; font-weight: 600; }
h3 { font-size: 14px; margin: 22px 0 8px; font-weight: 600; }
p { margin: 0 0 10px; max-width: 100ch; overflow-wrap: anywhere; }
p:last-child { margin-bottom: 0; }
.soft, figcaption { color: var(--soft); font-size: 13px; }
.status { font-weight: 600; color: var(--right); }
.status.bad { color: var(--wrong); }
.results { display: flex; flex-wrap: wrap; gap: 14px 44px; margin: 20px 0 14px; }
.results .value { display: block; font-size: 27px; line-height: 1.2; font-weight: 600; }
.results .main .value { font-size: 52px; line-height: 1; color: var(--right); }
.results > div { align-self: flex-end; }
.scale { position: relative; height: 12px; margin: 4px 0 8px; background: var(--line);
  border-radius: 6px; }
.scale i { position: absolute; top: 0; bottom: 0; }
.scale .got { left: 0; background: var(--right); border-radius: 6px; }
.scale .base { width: 3px; margin-left: -1px; top: -5px; bottom: -5px; background: var(--ink);
  border-radius: 2px; }
.notes { margin: 16px 0 0; padding: 12px 16px 12px 34px; border-left: 3px solid var(--wrong);
  background: color-mix(in srgb, var(--wrong) 8%, transparent); border-radius: 0 6px 6px 0; }
.notes li { margin: 2px 0; overflow-wrap: anywhere; }
pre { margin: 0 0 10px; padding: 12px 14px; background: var(--page); border: 1px solid var(--line);
  border-radius: 6px; overflow-x: auto; font: 13px/1.5 ui-monospace, monospace; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr));
  gap: 4px 40px; }
.pairs { margin: 0; }
.pairs > div { display: flex; justify-content: space-between; gap: 20px; padding: 4px 0;
  border-bottom: 1px solid var(--line); }
.pairs > div:last-child { border-bottom: 0; }
dt { color: var(--soft); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.scroll + p { margin-top: 10px; }
.plots { display: flex; flex-wrap: wrap; gap: 12px 16px; }
img { max-width: 100%; height: auto; display: block; }
.scroll { overflow: auto; max-height: 540px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 4px 10px 4px 0; text-align: right; border-bottom: 1px solid var(--line);
  font-weight: 400; }
th:first-child { text-align: left; overflow-wrap: anywhere; }
thead th { position: sticky; top: 0; background: var(--card); color: var(--soft); font-size: 13px; }
tfoot td, tfoot th { font-weight: 600; }
tbody tr:last-child > * { border-bottom-color: var(--soft); }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr));
  gap: 20px 22px; }
.clips figure { margin: 0; break-inside: avoid; }
.strip { display: flex; gap: 2px; border-radius: 4px; overflow: hidden; background: var(--line); }
.strip img { flex: 1 1 0; min-width: 0; aspect-ratio: 4 / 3; object-fit: cover; }
.strip.lost { aspect-ratio: 4; align-items: center; justify-content: center; padding: 8px 14px;
  color: var(--soft); font-size: 12px; text-align: center; overflow-wrap: anywhere; }
.said { margin-top: 6px; color: var(--ink); font-size: 14px; line-height: 1.4; }
.said b { font-weight: 600; color: var(--wrong); }
figcaption { overflow-wrap: anywhere; line-height: 1.4; }
.bar { display: flex; height: 16px; border-radius: 4px; overflow: hidden; margin: 2px 0 10px;
  background: var(--line); }
.bar i { display: block; }
.key { display: flex; flex-wrap: wrap; gap: 2px 22px; margin: 0 0 14px; font-size: 14px; }
.key i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 7px; }
.model { background: var(--right); } .wait { background: var(--wait); }
.rest { background: var(--rest); } .decode { background: var(--soft); }
summary { cursor: pointer; font-weight: 600; font-size: 17px; }
details pre { margin: 14px 0 0; }
footer { color: var(--soft); font-size: 12px; text-align: center; }
@media print { body { background: none; font-size: 11px; }
  main { max-width: none; padding: 0; }
  header, section { border: 0; border-radius: 0; padding: 8px 0;
    border-top: 1px solid var(--line); }
  .scroll { max-height: none; overflow: visible; } h2, h3, tr { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
