"""The Jensen-Shannon loss: against the formula written out, against timm's, and what must always hold."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.losses import jsd_loss, outlier_loss
from tests.strategies import steady
from tests.torchvision_on_cpu import allow_timm


def drawn(seed: int, images: int = 5, views: int = 3, classes: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(images, views, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, classes, (images,), generator=generator)


@steady()
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(2, 4), st.integers(2, 9))
def test_as_the_formula(seed: int, images: int, views: int, classes: int) -> None:
    logits, labels = drawn(seed, images, views, classes)
    p = logits.softmax(-1)
    m = p.mean(1, keepdim=True)
    divergence = (p * (p / m).log()).sum(-1).mean()
    expected = -p[:, 0].log()[torch.arange(images), labels].mean() + 12 * divergence
    assert torch.isclose(jsd_loss(logits, labels), expected)


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("weight", [1.0, 12.0])
def test_as_timm_has_it_without_smoothing(views: int, weight: float) -> None:
    """timm takes the views one after the other, each a batch."""
    allow_timm()
    from timm.loss import JsdCrossEntropy

    logits, labels = drawn(1, views=views)
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss = jsd_loss(ours, labels, weight)
    other = JsdCrossEntropy(num_splits=views, alpha=weight, smoothing=0)(theirs.transpose(0, 1).flatten(0, 1), labels)
    assert torch.isclose(loss, other)
    loss.backward()
    other.backward()
    assert torch.allclose(ours.grad, theirs.grad)  # type: ignore[arg-type]


def test_equal_views_leave_the_cross_entropy() -> None:
    logits, labels = drawn(2)
    same = logits[:, :1].expand(-1, 3, -1)
    assert torch.isclose(jsd_loss(same, labels), torch.nn.functional.cross_entropy(same[:, 0], labels))


def test_half_precision_is_computed_in_single() -> None:
    logits, labels = drawn(3)
    half = logits.bfloat16()
    assert jsd_loss(half, labels).dtype == torch.float32
    assert torch.isclose(jsd_loss(half, labels), jsd_loss(half.float(), labels))


@pytest.mark.parametrize(
    ("second", "apart"),
    [([0.0, 300.0], 12 * math.log(2)), ([300.0, 0.0], 0.0)],  # at the other end, and a class of probability 0 in both
)
def test_saturated_predictions_have_finite_gradients(second: list[float], apart: float) -> None:
    logits = torch.tensor([[[300.0, 0.0], second]], requires_grad=True)
    loss = jsd_loss(logits, torch.tensor([0]))
    loss.backward()
    assert loss.item() == pytest.approx(apart, abs=1e-6)
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("logits", "labels"),
    [((6, 4), (6,)), ((6, 1, 4), (6,)), ((2, 3, 4), (6,)), ((2, 3, 4), (2, 4)), ((0, 3, 4), (0,)), ((2, 3, 0), (2,))],
)
def test_shapes_are_checked(logits: tuple[int, ...], labels: tuple[int, ...]) -> None:
    with pytest.raises(LayerMixError, match=r"^expected logits \(B, V, C\) of at least 2 views and labels \(B,\), got"):
        jsd_loss(torch.zeros(logits), torch.zeros(labels, dtype=torch.int64))


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (torch.int64, torch.int64),
        (torch.complex64, torch.int64),
        (torch.float32, torch.float32),
        (torch.float32, torch.complex64),
    ],
)
def test_types_are_checked(logits: torch.dtype, labels: torch.dtype) -> None:
    with pytest.raises(LayerMixError, match=f"logits and integer labels, got {logits} and {labels}; convert them$"):
        jsd_loss(torch.zeros((2, 3, 4), dtype=logits), torch.zeros(2, dtype=labels))


@pytest.mark.parametrize("label", [-100, -1, 7, 255])
def test_labels_are_checked(label: int) -> None:
    """-100, too, which PyTorch's cross entropy leaves out: the divergence would count the image all the same."""
    logits, labels = drawn(4)
    labels[2] = label
    with pytest.raises(LayerMixError, match=rf"^expected labels in \[0, 6\] for 7 classes, got .*{label}.*; give the"):
        jsd_loss(logits, labels)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int32])
def test_labels_may_be_short_integers(kind: torch.dtype) -> None:
    logits, labels = drawn(5)
    assert torch.equal(jsd_loss(logits, labels.to(kind)), jsd_loss(logits, labels))


# --- outlier exposure ------------------------------------------------------------------------------------------------


@steady()
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(2, 9))
def test_outliers_as_the_formula(seed: int, images: int, classes: int) -> None:
    logits = drawn(seed, images, 1, classes)[0][:, 0]
    uniform = torch.full_like(logits, 1 / classes)
    assert torch.isclose(outlier_loss(logits), 0.5 * torch.nn.functional.cross_entropy(logits, uniform))
    assert torch.isclose(outlier_loss(logits, 3), 6 * outlier_loss(logits))
    assert outlier_loss(logits, 1) >= math.log(classes) - 1e-9


def test_outliers_by_hand() -> None:
    """Two classes with probabilities 1/4 and 3/4: -(ln 1/4 + ln 3/4) / 2; and a uniform prediction: ln 2."""
    logits = torch.tensor([[0.0, math.log(3)], [5.0, 5.0]], dtype=torch.float64)
    one, other = -(math.log(1 / 4) + math.log(3 / 4)) / 2, math.log(2)
    assert outlier_loss(logits, 1).item() == pytest.approx((one + other) / 2)


def test_saturated_outliers_have_finite_gradients() -> None:
    logits = torch.tensor([[300.0, -300.0]], requires_grad=True)
    outlier_loss(logits).backward()
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]
    assert outlier_loss(logits.detach().bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            (torch.zeros(2, 3, 4),),
            r"expected floating-point logits \(B, C\), got torch.float32 \(2, 3, 4\); give",
        ),
        ((torch.zeros(0, 4),), r"got torch.float32 \(0, 4\)"),
        ((torch.zeros(2, 4, dtype=torch.int64),), r"got torch.int64 \(2, 4\)"),
        (([[1.0, 2.0]],), "use torch.as_tensor"),
        ((torch.zeros(2, 4), -1), "change weight="),
        ((torch.zeros(2, 4), True), "change weight="),
    ],
)
def test_outliers_are_checked(arguments: tuple[Any, ...], line: str) -> None:
    with pytest.raises(LayerMixError, match=line):
        outlier_loss(*arguments)
