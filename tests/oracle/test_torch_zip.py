"""torch archives against torch itself, where it is installed: `pip install torch` is no part of this project."""

from pathlib import Path

import pytest
from torch_files import save

from assay.errors import AssayError
from assay.observe.checkpoint import torch_zip

torch = pytest.importorskip("torch", reason="opt-in: needs torch")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
DTYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32",
    "uint64", "bool", "complex64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
    "float8_e8m0fnu",
)  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_type_and_protocol(tmp_path: Path, protocol: int) -> None:
    state = {name: torch.zeros((3, 5), dtype=getattr(torch, name)) for name in DTYPES}
    state |= {"scalar": torch.tensor(3), "empty": torch.zeros(0, 4), "part": torch.zeros(10)[2:5]}
    state |= {"turned": torch.zeros(4, 6).t(), "parameter": torch.nn.Parameter(torch.zeros(2, 2))}
    torch.save(state, tmp_path / "x.pt", pickle_protocol=protocol)
    found = {tensor.name: tensor for tensor in torch_zip.checkpoint(tmp_path / "x.pt").tensors}
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].shape == tuple(tensor.shape)
        assert found[name].size == tensor.numel() * tensor.element_size()


def test_modules_of_torch(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Embedding(10, 8), torch.nn.Linear(8, 8), torch.nn.LayerNorm(8))
    network[1].weight = torch.nn.Parameter(torch.zeros(8, 8))
    torch.save(network.state_dict(), tmp_path / "x.pt")
    found = {tensor.name: tensor.shape for tensor in torch_zip.checkpoint(tmp_path / "x.pt").tensors}
    assert found == {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def test_a_checkpoint_of_training(tmp_path: Path) -> None:
    network = torch.nn.Linear(4, 4)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.zeros(1, 4)).sum().backward()
    optimizer.step()
    document = {"model": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "loss": 0.5}
    torch.save(document, tmp_path / "x.pt")
    read = torch_zip.checkpoint(tmp_path / "x.pt")
    assert [tensor.name for tensor in read.tensors] == ["weight", "bias"]
    assert read.beside == ("optimizer",)


def test_tied_tensors_and_a_large_file(tmp_path: Path) -> None:
    table = torch.zeros(1000, 16)
    state = {f"layers.{layer}.weight": torch.zeros(2, 2) for layer in range(3000)} | {"a": table, "b": table}
    torch.save(state, tmp_path / "x.pt")
    assert len(torch_zip.checkpoint(tmp_path / "x.pt").tensors) == 3001


def test_what_torch_refuses_without_unpickling_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    torch.save({"a": torch.zeros(2)}, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "script.pt")
    codes = {}
    for name in ("module", "legacy", "script"):
        with pytest.raises(AssayError) as caught:
            torch_zip.checkpoint(tmp_path / f"{name}.pt")
        codes[name] = caught.value.message.code
    assert codes == {
        "module": "error.malformed.runs_code", "legacy": "error.torch_legacy", "script": "error.torch_script",
    }  # fmt: skip


def test_torch_reads_the_files_of_these_tests(tmp_path: Path) -> None:
    shapes = {"a.weight": ("HalfStorage", (3, 4)), "b": ("FloatStorage", (5,)), "c": ("LongStorage", ())}
    state = torch.load(save(tmp_path / "x.pt", shapes), weights_only=True)
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {"a.weight": (3, 4), "b": (5,), "c": ()}
