"""A page of its own for a drawing: legend, highlighting of what feeds what, dark mode; offline."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from microgradx.drawing.metrics import clean

if TYPE_CHECKING:
    from microgradx.drawing.scene import Scene

__all__ = ["page", "script_json"]

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1f2933;--mute:#56606d;--edge:#4b5563;--hi:#b3470c}
@media (prefers-color-scheme:dark){:root{--bg:#15191f;--ink:#e6eaf0;--mute:#a3afbc;--edge:#8d9aaa;--hi:#ff9d66}}
body{margin:0;padding:14px 18px;background:var(--bg);color:var(--ink);font:14px/1.45 system-ui,Helvetica,Arial,sans-serif}
svg.mg{max-width:100%;height:auto;display:block}
.mg .box{outline:none;cursor:pointer}
.mg.on .box,.mg.on .wire{opacity:.25}
.mg.on .lit{opacity:1}
.mg .box:focus-visible .edge,.mg .chosen .edge{stroke:var(--hi);stroke-width:3}
#said{min-height:3em;color:var(--mute)}
@media (prefers-reduced-motion:reduce){*{transition:none!important;animation:none!important}}
"""

_SCRIPT = """
const svg=document.querySelector('svg.mg'),said=document.getElementById('said'),rest=said.textContent;
const g=k=>document.getElementById(svg.id+'-'+k),into={},out={};
for(const [k,t,h] of wires){(out[t]??=[]).push([k,h]);(into[h]??=[]).push([k,t])}
function reach(k,map,lit){const todo=[k];while(todo.length){for(const [w,n] of map[todo.pop()]??[]){
 lit.add(w);if(!lit.has(n)){lit.add(n);todo.push(n)}}}}
function show(k){for(const e of svg.querySelectorAll('.lit,.chosen'))e.classList.remove('lit','chosen');
 svg.classList.toggle('on',!!k);if(!k){said.textContent=rest;return}
 const lit=new Set([k]);reach(k,into,lit);reach(k,out,lit);
 for(const n of lit)g(n)?.classList.add('lit');g(k).classList.add('chosen');
 said.textContent=g(k).querySelector('title')?.textContent??''}
for(const b of svg.querySelectorAll('.box')){const k=b.id.slice(svg.id.length+1);
 b.setAttribute('tabindex','0');b.setAttribute('role','img');
 b.setAttribute('aria-label',b.querySelector('title')?.textContent??k);
 for(const e of ['mouseenter','focus'])b.addEventListener(e,()=>show(k));
 for(const e of ['mouseleave','blur'])b.addEventListener(e,()=>show(null))}
"""


def page(scene: Scene, picture: str, title: str) -> str:
    """Wrap an SVG drawing in a page that lights up the ancestors and descendants of a box."""
    wires = [[wire.key, wire.tail, wire.head] for wire in scene.wires]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(clean(title))}</title><style>{_STYLE}</style><body>\n{picture}\n"
        f'<p id="said" role="status" aria-live="polite">Point at a box, or reach it with Tab: what feeds '
        f"it and what uses it stays bright.</p>"
        f"<script>const wires={script_json(wires)};{_SCRIPT}</script></body></html>\n"
    )


def script_json(thing: object) -> str:
    """JSON that cannot end the script it stands in."""
    text = json.dumps(thing, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
