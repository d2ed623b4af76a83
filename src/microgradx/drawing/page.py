"""Pages of their own for drawings: highlighting, a legend, and the stepper; offline, no library."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING

from microgradx.drawing.metrics import clean

if TYPE_CHECKING:
    from microgradx.drawing.scene import Scene

__all__ = ["page", "stepper_page"]

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1f2933;--mute:#56606d;--edge:#4b5563;
--hi:#b3470c;--hibg:#fdeee6;--fwd:#005a8f;--card:#fff}
@media (prefers-color-scheme:dark){:root{--bg:#15191f;--ink:#e6eaf0;--mute:#a3afbc;
--edge:#8d9aaa;--hi:#ff9d66;--hibg:#3a2115;--fwd:#6fc3ff;--card:#1c222a}}
body{margin:0;padding:14px 18px;background:var(--bg);color:var(--ink);
font:14px/1.45 system-ui,Helvetica,Arial,sans-serif}
svg.mg{width:min(100%,var(--wide));height:auto;display:block}
.mg .box{outline:none;cursor:pointer}
.mg.on .box,.mg.on .wire{opacity:.25}
.mg.on .lit{opacity:1}
#said{min-height:3em;color:var(--mute)}
@media (prefers-reduced-motion:reduce){*{transition:none!important;animation:none!important}}
"""

# Rules that must beat those of the drawing itself, which carry its id.
_STRONG = """
.mg .box:focus-visible .edge,.mg .chosen .edge{stroke:var(--hi)!important;stroke-width:3!important}
"""

_HOVER = """
const svg=document.querySelector('svg.mg'),said=document.getElementById('said');
const rest=said.textContent,into={},out={};
const g=k=>document.getElementById(svg.id+'-'+k);
for(const [k,t,h] of wires){(out[t]??=[]).push([k,h]);(into[h]??=[]).push([k,t])}
function reach(k,map,lit){const todo=[k];
 while(todo.length)for(const [w,n] of map[todo.pop()]??[]){
  lit.add(w);if(!lit.has(n)){lit.add(n);todo.push(n)}}}
function show(k){
 for(const e of svg.querySelectorAll('.lit,.chosen'))e.classList.remove('lit','chosen');
 svg.classList.toggle('on',!!k);
 if(!k){said.textContent=rest;return}
 const lit=new Set([k]);reach(k,into,lit);reach(k,out,lit);
 for(const n of lit)g(n)?.classList.add('lit');
 g(k).classList.add('chosen');
 said.textContent=g(k).querySelector('title')?.textContent??''}
for(const b of svg.querySelectorAll('.box')){const k=b.id.slice(svg.id.length+1);
 b.setAttribute('tabindex','0');b.setAttribute('role','img');
 b.setAttribute('aria-label',b.querySelector('title')?.textContent??k);
 for(const e of ['mouseenter','focus'])b.addEventListener(e,()=>show(k));
 for(const e of ['mouseleave','blur'])b.addEventListener(e,()=>show(null))}
"""

_STEP_STYLE = """
.bar{display:flex;gap:8px;align-items:center;flex-wrap:wrap;margin:.3em 0}
button{font:inherit;min-width:40px;min-height:34px;border:1px solid var(--edge);
border-radius:6px;background:var(--card);color:var(--ink);cursor:pointer}
button:focus-visible,input:focus-visible{outline:3px solid var(--fwd)}
input[type=range]{flex:1;min-width:160px;accent-color:var(--hi)}
#eq{font-size:17px;padding:8px 12px;border-left:4px solid var(--hi);background:var(--hibg);
min-height:3.1em}
#eq b{color:var(--hi)}#eq div{font-size:14px}
.keys{color:var(--mute)}
.mg .done path{stroke:var(--hi)!important}.mg .done path.tip{fill:var(--hi)!important}
.mg .now path{stroke:var(--hi)!important;stroke-width:4!important}
.mg .now path.tip{fill:var(--hi)!important;stroke-width:0!important}
.mg .from .edge{stroke:var(--hi)!important;stroke-width:3.5!important}
.mg .to .edge{stroke:var(--hi)!important;stroke-width:3.5!important;stroke-dasharray:6 3}
"""

_STEP = """
const at=i=>document.getElementById(i),slide=at('slide'),eq=at('eq');
let step=0,timer=0;slide.max=steps.length;
function mark(k,c){g(k)?.classList.add(c)}
function go(i){step=Math.max(0,Math.min(steps.length,i));slide.value=step;
 for(const e of svg.querySelectorAll('.now,.from,.to,.done'))
  e.classList.remove('now','from','to','done');
 const grads={};
 for(const s of steps.slice(0,step)){grads[s.x]=s.sum;if(s.w)mark(s.w,'done')}
 for(const b of svg.querySelectorAll('.box')){const t=b.querySelector('[data-k=grad]');
  if(t&&t.dataset.fixed===undefined)t.textContent=grads[b.id.slice(svg.id.length+1)]??'—'}
 const s=steps[step-1];
 if(s){if(s.w){mark(s.w,'now');mark(s.z,'from')}mark(s.x,'to')}
 eq.replaceChildren();
 const p=document.createElement('div'),q=document.createElement('div');p.className='big';
 for(const [i,part] of (s?s.eq:[['The backward pass has not begun: no gradient is known.',0]])
  .entries()){const e=document.createElement(part[1]?'b':'span');e.textContent=part[0];p.append(e)}
 q.textContent=s?s.note:'Press the right arrow key, or the button.';eq.append(p,q);
 p.style.fontSize='17px';at('count').textContent='step '+step+' / '+steps.length;
 history.replaceState(null,'','#step='+step)}
function stop(){clearInterval(timer);timer=0;at('play').textContent='▶ play'}
function play(){if(timer){stop();return}if(step===steps.length)go(0);
 at('play').textContent='■ stop';
 timer=setInterval(()=>{go(step+1);if(step===steps.length)stop()},1600)}
for(const t of svg.querySelectorAll('[data-k=grad]'))
 if(/^[a-z]/i.test(t.textContent)&&!/^(inf|nan)/.test(t.textContent)&&!/\\d/.test(t.textContent))
  t.dataset.fixed='';
at('prev').onclick=()=>{stop();go(step-1)};at('next').onclick=()=>{stop();go(step+1)};
at('play').onclick=play;slide.oninput=()=>{stop();go(+slide.value)};
addEventListener('keydown',e=>{if(e.altKey||e.ctrlKey||e.metaKey)return;
 const moves={ArrowRight:step+1,ArrowDown:step+1,ArrowLeft:step-1,ArrowUp:step-1,
  Home:0,End:steps.length};
 if(e.key in moves){stop();go(moves[e.key]);e.preventDefault()}
 else if(e.key===' '&&e.target.tagName!=='BUTTON'){play();e.preventDefault()}});
const asked=/step=(\\d+)/.exec(location.hash);go(asked?+asked[1]:start);
document.getElementById('still')?.remove();
"""


def page(scene: Scene, picture: str, title: str) -> str:
    """Wrap an SVG drawing in a page that lights up the ancestors and descendants of a box."""
    return _document(
        title,
        _STYLE + _STRONG,
        f"{picture}\n{_SAID}",
        f"const wires={_json(_wires(scene))};{_HOVER}",
    )


def stepper_page(
    scene: Scene, picture: str, title: str, steps: list[dict[str, object]], start: int
) -> str:
    """Wrap a drawing in a page that walks through the backward pass."""
    bar = (
        '<div class="bar"><button id="prev" aria-label="previous step">◀</button>'
        '<button id="next" aria-label="next step">▶|</button>'
        '<button id="play">▶ play</button>'
        '<input id="slide" type="range" min="0" value="0" aria-label="step of the backward pass">'
        '<span id="count"></span></div>'
        '<div id="eq" role="status" aria-live="polite"></div>'
    )
    keys = '<p class="keys">Keys: ← → one step, Home and End, space to play.</p>'
    return _document(
        title,
        _STYLE + _STEP_STYLE + _STRONG,
        f"{bar}\n{picture}\n{keys}{_SAID}",
        f"const wires={_json(_wires(scene))},steps={_json(steps)},start={start};{_HOVER}{_STEP}",
    )


_SAID = (
    '<p id="said" role="status">Point at a box, or reach it with Tab: what feeds it and what '
    "uses it stays bright.</p>"
)


def _document(title: str, style: str, body: str, script: str) -> str:
    width = re.search(r'<svg[^>]* width="([\d.]+)"', body)
    # A small picture is enlarged a little; a large one is fitted to the window.
    wide = 1.5 * float(width[1]) if width else 1000
    style = f":root{{--wide:{wide:.0f}px}}{style}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(clean(title))}</title><style>{style}</style><body>\n{body}\n"
        f"<script>{script}</script></body></html>\n"
    )


def _wires(scene: Scene) -> list[list[str]]:
    return [[wire.key, wire.tail, wire.head] for wire in scene.wires]


def _json(thing: object) -> str:
    """JSON that cannot end the script it stands in."""
    text = json.dumps(thing, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
