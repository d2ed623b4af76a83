"""A script as people write it for PyTorch runs here unchanged, and learns the same.

Only the line that imports the library differs. First weights are set by hand, because the two
libraries draw other random numbers.
"""

import numpy as np
import pytest

SCRIPT = """
class Net(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, hidden), nn.BatchNorm1d(hidden), nn.Tanh())
        self.parts = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(2)])
        self.head = nn.Linear(hidden, 2)

    def forward(self, x):
        x = self.body(x)
        for part in self.parts:
            x = x + F.relu(part(x))
        return self.head(x)

model = Net(8)
state = {}
for i, (key, value) in enumerate(model.state_dict().items()):
    shape = tuple(value.shape)
    numbers = np.cos(np.arange(int(np.prod(shape))) + i).reshape(shape).astype("float32")
    state[key] = torch.tensor(abs(numbers) if "running" in key or not shape else numbers * 0.5)
state["body.1.num_batches_tracked"] = torch.tensor(0)
model.load_state_dict(state)

criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
inputs, labels = torch.tensor(x), torch.tensor(y)
losses = []
for epoch in range(20):
    model.train()
    for i in range(0, len(x), 25):
        optimizer.zero_grad()
        loss = criterion(model(inputs[i : i + 25]), labels[i : i + 25])
        loss.backward()
        nn_utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    scheduler.step()
    losses.append(loss.item())

model.eval()
with torch.no_grad():
    logits = model(inputs)
    accuracy = (logits.argmax(1) == labels).sum().item() / len(x)
    probabilities = F.softmax(logits, dim=1)
assert abs(probabilities.sum().item() - len(x)) < 1e-3
count = sum(int(np.prod(p.shape)) for p in model.parameters() if p.requires_grad)
answer = logits.numpy().copy()
"""


def points():
    from microgradx import data  # noqa: PLC0415 - not needed where only PyTorch is

    x, y = data.moons(100, noise=0.2, rng=0)
    return x.astype("float32"), y


def run(torch, nn, functional, nn_utils):
    x, y = points()
    scope = {
        "torch": torch,
        "nn": nn,
        "F": functional,
        "nn_utils": nn_utils,
        "np": np,
        "x": x,
        "y": y,
    }
    exec(SCRIPT, scope)
    return scope


def test_the_script_runs_unchanged():
    import microgradx  # noqa: PLC0415
    from microgradx import nn  # noqa: PLC0415

    found = run(microgradx, nn, nn.functional, nn)
    assert found["accuracy"] > 0.85
    assert found["losses"][-1] < 0.8 * found["losses"][0]
    assert found["count"] == 2 * 8 + 8 + 8 + 8 + 2 * (64 + 8) + 16 + 2


@pytest.mark.torch
def test_pytorch_learns_the_same():
    torch = pytest.importorskip("torch")
    import microgradx  # noqa: PLC0415
    from microgradx import nn  # noqa: PLC0415

    theirs = run(torch, torch.nn, torch.nn.functional, torch.nn.utils)
    mine = run(microgradx, nn, nn.functional, nn)
    assert mine["losses"] == pytest.approx(theirs["losses"], rel=1e-3)
    assert mine["answer"] == pytest.approx(theirs["answer"], rel=1e-2, abs=1e-2)
    assert mine["accuracy"] == theirs["accuracy"]
