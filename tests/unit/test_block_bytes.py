from packages import GEMMA, real_file

from assay.observe.checkpoint.block_bytes import block_bytes
from assay.observe.checkpoint.gguf_model import read
from assay.types.model import BlockBytes


def test_experts_and_the_rest_are_counted_apart_with_the_largest_of_each() -> None:
    tensors = [
        (0, "attention", 10), (0, "experts", 40), (0, "experts", 50), (1, "mlp", 30), (1, "norm", 1),
        (None, "embedding", 99), (-1, "head", 99),
    ]  # fmt: skip
    assert block_bytes(tensors) == (BlockBytes(90, 10, 50, 10), BlockBytes(0, 31, 0, 30))  # type: ignore[arg-type]


def test_prediction_layers_are_left_out_and_a_lost_block_leaves_nothing() -> None:
    assert len(block_bytes([(0, "mlp", 1), (1, "mtp", 1)])) == 1
    assert block_bytes([(0, "mlp", 1), (2, "mlp", 1)]) == ()


def test_blocks_and_what_stands_in_none_are_the_whole_file() -> None:
    model = read(real_file(GEMMA))
    outside = sum(group.size for group in model.groups if group.role == "embedding")
    blocks = sum(block.experts + block.rest for block in model.blocks)
    assert len(model.blocks) == 18
    assert 0 <= (model.weights.value or 0) - blocks - outside <= 640 * 4  # the last norm
