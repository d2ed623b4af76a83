"""What a browser makes of the pictures: nothing clipped, nothing overlapping, one step lit."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess

import pytest

from microgradx import Value, animate, draw

from .conftest import lecture_graph, tensor_graph

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=8000",
]  # fmt: skip

MEASURE = """
<script>
const svg=document.querySelector('svg.mg'),out={clipped:[],overlap:[],boxes:0,wires:0};
const page=svg.getBoundingClientRect(),rects=[];
for(const g of svg.querySelectorAll('.box')){out.boxes++;
 const frame=g.querySelector('rect,circle');
 const r=(frame&&!g.querySelector('path.thick')?frame:g).getBoundingClientRect();
 rects.push([g.id,r]);
 if(frame)for(const t of g.querySelectorAll('text')){const b=t.getBoundingClientRect();
  if(b.left<r.left-.5||b.right>r.right+.5)out.clipped.push([t.textContent,b.width,r.width])}}
for(const t of svg.querySelectorAll('text')){const b=t.getBoundingClientRect();
 if(b.left<page.left-1||b.right>page.right+1||b.bottom>page.bottom+1)out.clipped.push(t.textContent)}
for(let i=0;i<rects.length;i++)for(let j=0;j<i;j++){const [a,p]=rects[i],[b,q]=rects[j];
 if(p.left<q.right-1&&q.left<p.right-1&&p.top<q.bottom-1&&q.top<p.bottom-1)out.overlap.push([a,b])}
out.wires=svg.querySelectorAll('.wire').length;
const pre=document.createElement('pre');pre.id='measured';pre.textContent=JSON.stringify(out);
document.body.append(pre);
</script>
"""


def opened(path, tmp_path):
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"file://{path}"],
        capture_output=True, check=True, timeout=90,
    )  # fmt: skip
    return done.stdout.decode()


def measured(body, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(f'<!doctype html><meta charset="utf-8"><body>{body}</body>', encoding="utf-8")
    dom = opened(path, tmp_path)
    return json.loads(
        html.unescape(re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)[1])
    )


def graphs():
    wide = Value(0.5, name="переменная名前🎉")
    out = (wide * wide).tanh() * Value(-1.5e-7, name="Wm_gradient_check")
    out.backward()
    loss, _ = tensor_graph()
    loss.backward()
    lecture = lecture_graph()
    lecture.backward()
    return {"lecture": lecture, "names": out, "tensor": loss}


@pytest.mark.parametrize("name", ["lecture", "names", "tensor"])
def test_no_text_is_clipped_and_no_boxes_overlap(name, tmp_path):
    root = graphs()[name]
    for style in ("circuit", "card", "lanes", "tensor", "modules"):
        drawing = draw(root, style=style, contributions=True, engine="built-in")
        found = measured(drawing.svg + MEASURE, tmp_path)
        assert found["boxes"] == len(drawing.scene.boxes)
        assert found["wires"] == len(drawing.scene.wires)
        assert found["clipped"] == []
        assert found["overlap"] == []


def test_each_step_lights_one_edge_and_shows_the_running_gradient(tmp_path):
    root = lecture_graph()
    animation = animate(root)
    probe = """<script>
    const seen=[];
    for(let i=0;i<=steps.length;i++){go(i);
     const a=g('n0').querySelector('[data-k=grad]').textContent;
     seen.push([svg.querySelectorAll('.wire.now').length,eq.textContent,a])}
    dispatchEvent(new KeyboardEvent('keydown',{key:'Home'}));const home=step;
    dispatchEvent(new KeyboardEvent('keydown',{key:'ArrowRight'}));const one=step;
    dispatchEvent(new KeyboardEvent('keydown',{key:'End'}));const end=step;
    show('n3');const lit=svg.querySelectorAll('.lit').length;
    const pre=document.createElement('pre');pre.id='measured';
    pre.textContent=JSON.stringify({seen,keys:[home,one,end],lit});document.body.append(pre);
    </script>"""
    path = tmp_path / "steps.html"
    path.write_text(animation.html.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    dom = opened(path, tmp_path)
    found = json.loads(
        html.unescape(re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)[1])
    )
    lit, words, grads = zip(*found["seen"], strict=True)
    assert list(lit) == [0, 0, *[1] * 9]
    for step, said in zip(animation.steps, words[1:], strict=True):
        assert step.sentence in said
    assert grads[0] == "—"
    assert grads[-1] == "−0.3932"
    assert len(set(grads)) == 4
    assert found["keys"] == [0, 1, 10]
    # e and its wires, a and b before it, d, s, L after it.
    assert found["lit"] == 6 + 5


def test_a_notebooks_image_is_drawn(tmp_path):
    bundle = draw(lecture_graph())._repr_mimebundle_()["text/html"]
    body = (
        bundle
        + """<script>addEventListener('load',()=>{const i=document.querySelector('img');
     const pre=document.createElement('pre');pre.id='measured';
     pre.textContent=JSON.stringify({width:i.naturalWidth,alt:i.alt});document.body.append(pre)})
     </script>"""
    )
    found = measured(body, tmp_path)
    assert found["width"] > 300
    assert "8 nodes, 9 edges" in found["alt"]


def test_the_embedded_picture_is_the_svg():
    drawing = draw(lecture_graph())
    data = re.search(r"base64,([^\"]+)", drawing._repr_mimebundle_()["text/html"])[1]
    assert base64.b64decode(data).decode() == drawing.svg
