"""A whole character-level GPT over plain Values: no arrays, no layers, one number at a time.

Embeddings, causal multi-head attention, RMS norm, an MLP, softmax, cross-entropy and Adam, in the
style of Karpathy's micrograd and microgpt; 4,128 parameters that learn the names of the chemical
elements. The training step is ordinary Python; ``mg.capture`` replays it::

    python benchmarks/gpt.py             # captured: one program for each length of word
    python benchmarks/gpt.py --eager     # the same step, node by node
"""

import argparse
import itertools
import random
import time

import microgradx as mg
from microgradx import Value

ELEMENTS = """hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine neon sodium
magnesium aluminium silicon phosphorus sulfur chlorine argon potassium calcium scandium titanium
vanadium chromium manganese iron cobalt nickel copper zinc gallium germanium arsenic selenium
bromine krypton rubidium strontium yttrium zirconium niobium molybdenum technetium ruthenium
rhodium palladium silver cadmium indium tin antimony tellurium iodine xenon caesium barium
lanthanum cerium praseodymium neodymium promethium samarium europium gadolinium terbium dysprosium
holmium erbium thulium ytterbium lutetium hafnium tantalum tungsten rhenium osmium iridium platinum
gold mercury thallium lead bismuth polonium astatine radon francium radium actinium thorium
protactinium uranium neptunium plutonium americium curium berkelium californium einsteinium
fermium mendelevium nobelium lawrencium rutherfordium dubnium seaborgium bohrium hassium
meitnerium darmstadtium roentgenium copernicium nihonium flerovium moscovium livermorium
tennessine oganesson""".split()  # noqa: SIM905 - a hundred quoted words would fill a page

LETTERS = "." + "".join(sorted(set("".join(ELEMENTS))))  # "." begins and ends a word
WIDTH, HEADS, LONGEST = 16, 4, 16
HEAD = WIDTH // HEADS


def matrix(rows, columns, draw, spread=0.08):
    return [[Value(draw.gauss(0, spread)) for _ in range(columns)] for _ in range(rows)]


class GPT:
    """The parameters, in dictionaries and lists."""

    def __init__(self, seed=42):
        draw = random.Random(seed)
        self.weights = {
            "letters": matrix(len(LETTERS), WIDTH, draw),
            "places": matrix(LONGEST, WIDTH, draw),
            "query": matrix(WIDTH, WIDTH, draw),
            "key": matrix(WIDTH, WIDTH, draw),
            "value": matrix(WIDTH, WIDTH, draw),
            "mix": matrix(WIDTH, WIDTH, draw),
            "widen": matrix(4 * WIDTH, WIDTH, draw),
            "narrow": matrix(WIDTH, 4 * WIDTH, draw),
            "head": matrix(len(LETTERS), WIDTH, draw),
        }
        self.parameters = [p for w in self.weights.values() for row in w for p in row]
        self.mean = [Value(0.0) for _ in self.parameters]
        self.square = [Value(0.0) for _ in self.parameters]
        self.count = Value(0.0)

    # ---- forward ----
    def logits(self, token, place, keys, values):
        """Scores of the next letter; `keys` and `values` grow by one."""
        w = self.weights
        x = [a + b for a, b in zip(pick(w["letters"], token), w["places"][place], strict=True)]
        x = norm(x)
        rest, x = x, norm(x)
        q, k, v = linear(w["query"], x), linear(w["key"], x), linear(w["value"], x)
        keys.append(k)
        values.append(v)
        mixed = []
        for h in range(0, WIDTH, HEAD):
            scores = [dot(q[h : h + HEAD], past[h : h + HEAD]) * HEAD**-0.5 for past in keys]
            weights = softmax(scores)
            mixed += [dot(weights, [past[j] for past in values]) for j in range(h, h + HEAD)]
        x = [a + b for a, b in zip(linear(w["mix"], mixed), rest, strict=True)]
        rest, x = x, norm(x)
        x = [z.relu() for z in linear(w["widen"], x)]
        x = [a + b for a, b in zip(linear(w["narrow"], x), rest, strict=True)]
        return linear(w["head"], x)

    def loss(self, word):
        """Mean cross-entropy of each letter of a word given those before it."""
        keys, values, losses = [], [], []
        for place, (token, following) in enumerate(itertools.pairwise(word)):
            chances = softmax(self.logits(token, place, keys, values))
            losses.append(-pick(chances, following).log())
        return sum(losses) * (1.0 / len(losses))

    # ---- one step of training ----
    def step(self, word, rate):
        """Forward, backward, Adam; `word` is a list of tokens: indices or one-hot rows."""
        loss = self.loss(word)
        loss.backward()
        self.count.data = self.count.data + 1.0
        first = 1.0 - 0.85**self.count.data
        second = 1.0 - 0.99**self.count.data
        for p, m, s in zip(self.parameters, self.mean, self.square, strict=True):
            m.data = 0.85 * m.data + 0.15 * p.grad
            s.data = 0.99 * s.data + 0.01 * (p.grad * p.grad)
            p.data -= rate * (m.data / first) / ((s.data / second) ** 0.5 + 1e-8)
            p.grad = 0.0
        return loss.data

    # ---- what it learned ----
    def sample(self, draw, temperature=0.5):
        """A new word, letter by letter."""
        keys, values, token, word = [], [], 0, ""
        with mg.no_grad():
            for place in range(LONGEST):
                scores = self.logits(token, place, keys, values)
                chances = [p.data for p in softmax([z * (1 / temperature) for z in scores])]
                token = draw.choices(range(len(LETTERS)), chances)[0]
                if token == 0:
                    break
                word += LETTERS[token]
        return word


def dot(w, x):
    return sum(a * b for a, b in zip(w, x, strict=True))


def linear(w, x):
    return [dot(row, x) for row in w]


def softmax(scores):
    powers = [z.exp() for z in scores]
    total = sum(powers)
    return [p / total for p in powers]


def norm(x):
    scale = (dot(x, x) * (1.0 / len(x)) + 1e-5) ** -0.5
    return [a * scale for a in x]


def pick(table, token):
    """Row `token` of a table: by index, or by a one-hot row where the token is traced."""
    if isinstance(token, int):
        return table[token]
    if isinstance(table[0], list):
        return [dot(token, column) for column in zip(*table, strict=True)]
    return dot(token, table)


def indices(word):
    return [LETTERS.index(c) for c in f".{word}."]


def one_hot(word):
    return [[float(i == k) for k in range(len(LETTERS))] for i in indices(word)]


def train(steps, *, eager, seed=42):
    """Train from scratch; returns the model, the losses and the seconds of each step."""
    model = GPT(seed)
    words = list(ELEMENTS)
    random.Random(seed).shuffle(words)
    step = model.step if eager else mg.capture(model.step)
    spell = indices if eager else one_hot
    losses, seconds = [], []
    for k in range(steps):
        began = time.perf_counter()
        losses.append(step(spell(words[k % len(words)]), 0.01 * (1 - k / steps)))
        seconds.append(time.perf_counter() - began)
    return model, losses, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eager", action="store_true", help="node by node, without capture")
    parser.add_argument("--steps", type=int, default=0, help="default 2000, 20 with --eager")
    options = parser.parse_args()
    steps = options.steps or (20 if options.eager else 2000)
    began = time.perf_counter()
    model, losses, seconds = train(steps, eager=options.eager)
    usual = sorted(seconds)[len(seconds) // 2]
    print(
        f"{len(model.parameters)} parameters, {steps} steps in "
        f"{time.perf_counter() - began:.1f} s, {usual * 1e3:.2f} ms a step"
    )
    recent = losses[-len(ELEMENTS) :]
    print(f"loss {losses[0]:.3f} -> {sum(recent) / len(recent):.3f}")
    draw = random.Random(1)
    print(" ".join(model.sample(draw) for _ in range(12)))


if __name__ == "__main__":
    main()
