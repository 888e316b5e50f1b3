"""The page's style sheet: system fonts, tables that scroll on a phone, everything unfolded in print."""

STYLE = """
:root { color-scheme: light; --ink: #1a1a1a; --soft: #595959; --rule: #c8c8c8; --link: #0b57a4; --note: #8a3b00; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; color: var(--ink); background: #fff;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
h3 { font-size: 1.05rem; margin-top: 2rem; }
a { color: var(--link); } code { font-size: .85em; overflow-wrap: anywhere; }
.banner { border: 2px solid var(--note); padding: .7rem 1rem; color: var(--note); }
nav ul { padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1rem; }
nav a { display: inline-block; padding: .35rem 0; }
img { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; border: solid var(--rule); border-width: 1px 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e6e6e6; }
thead th { border-bottom: 1px solid var(--ink); vertical-align: bottom; } th { font-weight: 600; }
.short { white-space: nowrap; } .number { text-align: right; text-wrap: balance; } thead .number { min-width: 6rem; }
.marks { display: block; color: var(--note); font-size: .8rem; }
.absent { color: var(--soft); } .small, figcaption, .legend, .caption { font-size: .85rem; color: var(--soft); }
.legend, .caption { padding-left: 1.2rem; } section { scroll-margin-top: 1rem; }
.curves { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; flex: 1 1 18rem; max-width: 30rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: var(--soft); }
svg polyline, .key line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.grid { stroke: #e3e3e3; } .axis { stroke: var(--soft); fill: none; }
.keys { display: flex; flex-wrap: wrap; gap: .2rem 1rem;
  padding: 0; margin: .3rem 0; list-style: none; font-size: .85rem; }
.key { width: 26px; height: 10px; margin-right: .35rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .6rem 0; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
details { border-top: 1px solid #e6e6e6; } summary { padding: .6rem 0; cursor: pointer; }
pre { overflow-x: auto; padding: .7rem; background: #f5f5f5; font-size: .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
:target { outline: 2px solid var(--link); outline-offset: .3rem; }
@media screen and (max-width: 36rem) {
  body { padding: .7rem; } dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
  .cards thead { display: none; } .cards, .cards tbody, .cards tr { display: block; }
  .cards tr { padding: .5rem 0; border-bottom: 1px solid var(--ink); }
  .cards td { display: grid; grid-template-columns: 9rem 1fr; gap: .7rem;
    padding: .1rem 0; border: 0; text-align: left; }
  .cards td::before { content: attr(data-head); color: var(--soft); white-space: normal; } }
@media print { nav, .top { display: none; } body { max-width: none; font-size: 9pt; } .scroll { overflow: visible; }
  table { font-size: 7pt; } .marks { font-size: 6pt; } .small, figcaption, .legend, .caption, dl { font-size: 8pt; }
  pre { columns: 3; font-size: 6pt; } th, td { padding: .15rem .3rem; } a { color: inherit; text-decoration: none; }
  details::details-content { content-visibility: visible; height: auto; } figure, tr, dl { break-inside: avoid; } }
"""
