import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdnn.explore._picture import MOST, grid, pictures


def _cells(matrix: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """Means of blocks, by loops."""
    rows, columns = (range(0, side, step) for side, step in zip(matrix.shape, block, strict=True))
    return np.array([[matrix[r : r + block[0], c : c + block[1]].mean() for c in columns] for r in rows])


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(1, 150), columns=st.integers(1, 150))
def test_a_large_matrix_becomes_means_of_blocks(rows, columns):
    matrices = torch.randn(2, rows, columns, dtype=torch.float64)
    found = pictures(matrices)
    assert found.shape[0] == 2
    assert max(found.shape[1:]) <= MOST
    block = grid((rows, columns)).block
    for matrix, cells in zip(matrices, found, strict=True):
        np.testing.assert_allclose(cells.numpy(), _cells(matrix.numpy(), block), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 2, 3)])
def test_every_weight_has_its_place(shape):
    tensor = torch.arange(float(torch.tensor(shape).prod())).reshape(shape)
    cells = pictures(tensor[None])[0]
    layout = grid(shape)
    assert cells.shape == (layout.rows, layout.columns)
    assert sorted(cells.flatten().tolist()) == list(range(tensor.numel()))


def test_kernels_lie_side_by_side():
    kernels = torch.randn(3, 2, 4, 5)
    cells = pictures(kernels[None])[0]
    for output in range(3):
        for channel in range(2):
            tile = cells[4 * output : 4 * output + 4, 5 * channel : 5 * channel + 5]
            torch.testing.assert_close(tile, kernels[output, channel])


def test_a_vector_is_a_strip():
    torch.testing.assert_close(pictures(torch.arange(4.0)[None])[0], torch.tensor([[0.0, 1, 2, 3]]))


def test_the_note_says_what_a_cell_is():
    assert grid((4, 8)).note == "4 x 8"
    assert grid((100, 784)).note == "100 x 784; a cell is the mean of 2 x 13 weights"


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_any_type_becomes_single_precision(dtype):
    assert pictures(torch.ones(1, 100, 3, dtype=dtype)).dtype == torch.float32
