/** The rules of the page: readable in the light, in the dark and on paper, without anything from elsewhere. */

/** Text has a contrast of 7:1 and more against its ground, marks of plots 3:1 and more, in both schemes. */
const LIGHT = `--ground: #ffffff; --text: #1a1a1a; --quiet: #545454; --rule: #c9c9c9; --shade: #f3f3f3; --link: #0b4f9e;
  --c0: #4d4d4d; --c1: #1f5fa8; --c2: #2e7d32; --c3: #8a5a00; --c4: #c2410c; --c5: #9d174d; --c6: #5b21b6; --c7: #0f766e;`;
const DARK = `--ground: #16181c; --text: #ececec; --quiet: #b3b3b3; --rule: #494d55; --shade: #22262c; --link: #8ec1ff;
  --c0: #b8b8b8; --c1: #6fb0f5; --c2: #79c77d; --c3: #ddb04a; --c4: #ff9a63; --c5: #f48cb6; --c6: #b9a0f7; --c7: #58cdbf;`;

export const STYLE_SHEET: string = `:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem 1.25rem 3rem; background: var(--ground); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--rule); padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p, ul, ol { margin: .4rem 0; }
ul { padding-left: 1.3rem; }
code, pre, .mono { font-family: ui-monospace, "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace; font-size: .87em; }
code { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
.answer { border-left: 4px solid var(--text); background: var(--shade); padding: .5rem .9rem; margin: .6rem 0; }
.answer p:first-child { font-weight: 600; }
.note, figcaption, caption { color: var(--quiet); font-size: .87rem; text-align: left; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; margin: .4rem 0; }
caption { caption-side: bottom; padding-top: .3rem; }
th, td { padding: .16rem .55rem; text-align: left; vertical-align: top; }
thead th { border-bottom: 1px solid var(--text); white-space: nowrap; }
tbody tr { border-bottom: 1px solid var(--rule); }
th[scope=row] { font-weight: 600; white-space: nowrap; }
th[scope=rowgroup] { background: var(--shade); font-weight: 600; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.source { min-width: 16rem; overflow-wrap: anywhere; }
figure { margin: .6rem 0 1.2rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--text); font: 11.5px system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
svg .tick { fill: var(--quiet); }
svg .axis { fill: var(--quiet); font-style: italic; }
svg .strong { font-weight: 600; }
svg .grid { stroke: var(--rule); stroke-width: .7; }
svg .base { stroke: var(--text); stroke-width: 1; }
svg .limit { stroke: var(--text); stroke-width: 1.2; stroke-dasharray: 2 2; }
svg .leader { stroke: var(--quiet); stroke-width: .7; fill: none; }
svg .whisker { stroke: var(--text); stroke-width: 1.3; fill: none; }
svg .series { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg .marker { stroke: var(--ground); stroke-width: .8; }
svg .hatch { stroke: var(--ground); stroke-width: 1.6; fill: var(--ground); }
svg .outline { stroke: var(--text); stroke-width: .6; }
svg .lane { fill: var(--shade); }
footer { margin-top: 2.5rem; border-top: 1px solid var(--rule); padding-top: .5rem; }
@media print {
  :root { ${LIGHT} }
  @page { margin: 14mm 13mm; }
  body { max-width: none; padding: 0; font-size: 8.6pt; line-height: 1.25; }
  h1 { font-size: 14pt; }
  h2 { font-size: 11pt; margin: .7rem 0 .3rem; break-after: avoid; }
  h3 { break-after: avoid; }
  p, ul { margin: .2rem 0; }
  dl { gap: 0 .8rem; }
  .plot, figure, tr, .answer { break-inside: avoid; }
  thead { display: table-header-group; }
  .wide { overflow: visible; }
  table { font-size: 7.4pt; }
  th, td { padding: .05rem .35rem; }
  .note, figcaption, caption { font-size: 7.4pt; }
  figure { margin: .2rem 0; }
  .plot svg { width: 74%; }
  .second, .sheet { break-before: page; }
}
`;
