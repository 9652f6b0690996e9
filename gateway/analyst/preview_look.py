"""How preview pages look; no script, nothing fetched, so a page can be mailed to whoever must approve it."""

from __future__ import annotations

# No script can run and nothing is loaded, whatever a template holds; the letter stands in a sandboxed frame besides.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

STYLE = """
:root { --ink: #1c2430; --soft: #5b6676; --line: #dde3ea; --paper: #fff; --ground: #f3f5f8; --accent: #1f5f8b;
        --bad: #a3261d; --badpaper: #fdf0ee; --good: #1d6b45; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans",
       "Noto Sans CJK SC", sans-serif; }
a { color: var(--accent); }
header, main { max-width: 1180px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 30px; padding-bottom: 4px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 6px; }
h2 { font-size: 19px; margin: 0; }
h3 { font-size: 12px; letter-spacing: .07em; text-transform: uppercase; color: var(--soft); margin: 0 0 10px; }
p { margin: 0 0 8px; }
.soft { color: var(--soft); }
.small { font-size: 13px; }
.notice { background: #e8f0f7; border-radius: 8px; padding: 8px 14px; display: inline-block; margin: 8px 0 16px; }
.rule { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px; margin: 0 0 22px; }
.tongue { margin: 18px 0 8px; font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(255px, 1fr)); gap: 12px; }
.card { display: block; border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; text-decoration: none;
        color: inherit; background: #fbfcfd; }
.card:hover, .card:focus { border-color: var(--accent); background: #fff; }
.card b { display: block; }
.clip { display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; }
.one { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.card .clip { margin-top: 6px; min-height: 3em; }
.tags { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px; }
.tag { font-size: 12px; border-radius: 99px; padding: 1px 9px; background: #e9eef3; color: #37424f; }
.tag.good { background: #e4f2ea; color: var(--good); }
.tag.bad { background: var(--badpaper); color: var(--bad); font-weight: 600; }
.sides { display: flex; flex-wrap: wrap; gap: 26px; align-items: flex-start; padding-top: 18px; padding-bottom: 40px; }
.wide { flex: 1 1 600px; min-width: 0; }
.narrow { flex: 0 1 340px; }
.pane { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; margin-bottom: 24px; }
.inbox { display: grid; grid-template-columns: 42px 1fr auto; gap: 2px 14px; padding: 14px 18px; }
.face { grid-row: span 3; width: 42px; height: 42px; border-radius: 50%; background: var(--accent); color: #fff;
        display: grid; place-items: center; font-weight: 600; font-size: 18px; }
.from { font-weight: 600; }
.subject { grid-column: 2 / 4; font-weight: 600; }
.preheader { grid-column: 2 / 4; color: var(--soft); }
iframe { display: block; width: 100%; height: 560px; border: 0; background: #fff; resize: vertical; }
pre { margin: 0; padding: 16px 18px; white-space: pre-wrap; overflow-wrap: anywhere; font: 13.5px/1.5 ui-monospace,
      "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.phone { width: 320px; max-width: 100%; border: 10px solid #20262e; border-radius: 36px; background: #fff; overflow: hidden;
         margin-bottom: 16px; }
.phone .bar { background: #f3f5f8; border-bottom: 1px solid var(--line); text-align: center; padding: 16px 10px 10px;
              font-weight: 600; }
.thread { min-height: 280px; padding: 20px 14px; display: flex; flex-direction: column; justify-content: flex-end; }
.bubble { background: #e7eaee; border-radius: 18px; border-end-start-radius: 5px; padding: 10px 14px; max-width: 92%;
          white-space: pre-wrap; overflow-wrap: anywhere; font-size: 15.5px; line-height: 1.4; }
.meter { height: 6px; border-radius: 3px; background: #e2e7ec; overflow: hidden; margin: 6px 0 14px; }
.meter i { display: block; height: 100%; background: var(--accent); }
.problem { background: var(--badpaper); border: 1px solid #f0c9c4; color: var(--bad); border-radius: 10px; padding: 12px 16px;
           margin-bottom: 24px; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0; font-size: 13.5px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media print { iframe { height: 900px; } .pane, .rule, .phone { break-inside: avoid; } }
"""
