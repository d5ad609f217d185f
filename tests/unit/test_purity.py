"""`assay.reason` is pure: once imported it opens nothing, and it loads nothing from outside."""

import subprocess
import sys

PROBE = """
import importlib, pkgutil, sys
import assay.reason
names = [m.name for m in pkgutil.walk_packages(assay.reason.__path__, "assay.reason.")]
for name in names:
    importlib.import_module(name)
foreign = sorted(
    {m.split(".")[0] for m in sys.modules} - set(sys.stdlib_module_names) - {"assay", "__main__", "sitecustomize"}
)
foreign = [m for m in foreign if not m.startswith(("_", "a1_")) and "editable" not in m]
outside = ("assay.knowledge", "assay.observe", "assay.report", "assay.cli")
rooms = sorted(m for m in sys.modules if m.startswith(outside))
opened = []
watched = ("open", "sqlite3.connect", "socket.connect", "subprocess.Popen")
sys.addaudithook(lambda event, args: opened.append((event, args[0])) if event in watched else None)
from assay.reason.memory.cache import kv_bytes, CachePolicy
from assay.reason.memory.fit import CardMemory, Setting, fit
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.plan import Workload
from assay.types.quantity import exact
from assay.types.runtime import KvFormat, Runtime
layers = (LayerGroup("full", 32, 32, 8, 128, 128),)
groups = (TensorGroup("mlp", "bf16", 10, 10, 1, 20),)
model = Model("m", "llama", "bf16", None, groups, layers, exact(20, "B", "documented"), 8, 8, 8, 0, 0, 4096, "config")
runtime = Runtime("r", "r", None, (), "bf16", (), "tensor", frozenset(), None, ())
card = CardMemory("g", exact(100, "B", "documented"), exact(1, "B", "documented"), 1)
fit(Setting(model, runtime, card, KvFormat("bf16", 1, 2)), Workload(128, 1, 128))
print(len(names), foreign, rooms, opened)
"""


def test_reason_opens_nothing_and_loads_nothing_foreign() -> None:
    result = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    count, rest = result.stdout.strip().split(" ", 1)
    assert int(count) >= 6
    assert rest == "[] [] []"
