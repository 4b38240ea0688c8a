"""The attack: compared with that of torchattacks, and with the known results on linear models."""

import sys

import pytest
import torch
import torchattacks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.running import pgd
from layermix_gen.evaluate.running.pgd import attack
from layermix_gen.evaluate.running.run_options import Attack
from tests.evaluate.worlds import Answering

EPSILON = 2 / 255


def generator(seed):
    return torch.Generator().manual_seed(seed)


def linear(seed=0, classes=2, size=5):
    """A linear model of pixels without a zero among its weights."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, classes))
    weight = torch.randn(classes, 3 * size * size, generator=generator(seed))
    model[1].weight.data = weight + weight.sign() * 0.01
    return model.eval()


def convolutional():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 10)
        return nn.Sequential(*layers).eval()


IMAGES = torch.rand(9, 3, 12, 12, generator=generator(1))
LABELS = torch.arange(9) % 10


@pytest.mark.parametrize(("epsilon", "steps", "step_size"), [(2 / 255, 20, 0.5 / 255), (8 / 255, 7, 2 / 255)])
def test_the_last_iterate_is_that_of_torchattacks(monkeypatch, epsilon, steps, step_size):
    model = convolutional()
    monkeypatch.setattr(pgd, "random_starts", lambda images, *_: torch.zeros_like(images))
    ours = attack(model, IMAGES, LABELS, Attack(epsilon=epsilon, steps=steps, step_size=step_size))
    theirs = torchattacks.PGD(model, eps=epsilon, alpha=step_size, steps=steps, random_start=False)(IMAGES, LABELS)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_the_random_start_is_that_of_torchattacks(monkeypatch):
    """Both are given the same draws."""
    model, noise = convolutional(), (torch.rand(IMAGES.shape, generator=generator(2)) * 2 - 1) * EPSILON
    monkeypatch.setattr(pgd, "random_starts", lambda *_: noise)
    ours = attack(model, IMAGES, LABELS)
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda self, low, high: self.copy_(noise))
    theirs = torchattacks.PGD(model, eps=EPSILON, alpha=0.5 / 255, steps=20)(IMAGES, LABELS)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def direction(model, labels):
    """The sign of a two-class linear model's gradient: towards the other class, everywhere."""
    weight = model[1].weight
    return torch.stack([(weight[1 - label] - weight[label]).sign() for label in labels]).reshape(len(labels), 3, 5, 5)


def test_a_linear_model_is_attacked_up_to_the_corner():
    """20 steps of a quarter of epsilon reach it from any start."""
    model, images = linear(), torch.rand(6, 3, 5, 5, generator=generator(3))
    labels = torch.tensor([0, 1, 1, 0, 0, 1])
    corner = (images + EPSILON * direction(model, labels)).clamp(0, 1)
    torch.testing.assert_close(attack(model, images, labels), corner, rtol=0, atol=1e-7)


def test_the_released_variant_reaches_twice_as_far():
    """It reaches the corner around the noised image, 4/255 from the image where the noise went the same way."""
    model, images = linear(), torch.full((40, 3, 5, 5), 0.5)
    labels = torch.arange(40) % 2
    options = Attack("released")
    noise = pgd.random_starts(images, options, 0, 0)
    corner = images + noise + EPSILON * direction(model, labels)
    found = attack(model, images, labels, options)
    torch.testing.assert_close(found, corner, rtol=0, atol=1e-6)
    reach = (found - images).abs().max()
    assert 3.9 / 255 < reach <= 4 / 255 + 1e-6
    assert (attack(model, images, labels) - images).abs().max() <= EPSILON + 1e-7


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["correct", "released"]),
    st.floats(1e-3, 0.3),
    st.integers(1, 4),
    st.floats(1e-3, 0.3),
    st.integers(0, 2**32),
)
def test_images_stay_within_epsilon_and_are_not_touched(variant, epsilon, steps, step_size, seed):
    model, images = linear(seed), torch.rand(3, 3, 5, 5, generator=generator(seed))
    before, labels = images.clone(), torch.tensor([0, 1, 0])
    options = Attack(variant, epsilon, steps, step_size, seed=seed)
    found = attack(model, images, labels, options)
    assert found.min() >= 0
    assert found.max() <= 1
    reach = epsilon if variant == "correct" else 2 * epsilon
    assert (found - images).abs().max() <= reach + 1e-6
    assert torch.equal(images, before)
    assert all(weight.grad is None for weight in model.parameters())


def test_starts_depend_on_the_images_number_and_not_on_batches():
    options = Attack(restarts=2)
    whole = pgd.random_starts(IMAGES, options, 0, 0)
    parts = [pgd.random_starts(IMAGES[i : i + 4], options, i, 0) for i in range(0, 9, 4)]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(pgd.random_starts(IMAGES, options, 0, 1), whole)
    assert not torch.equal(pgd.random_starts(IMAGES, Attack(seed=1), 0, 0), whole)
    assert whole.abs().max() <= EPSILON
    assert whole.std() == pytest.approx(EPSILON / 3**0.5, rel=0.05)  # of a uniform distribution


def test_the_worst_of_several_starts_counts():
    model, labels = convolutional(), LABELS

    def lead(images):
        logits = model(images)
        own = logits[range(9), labels]
        return logits.scatter(1, labels[:, None], -torch.inf).amax(1) - own

    options = Attack(restarts=3, steps=1)
    singles = []
    for restart in range(3):
        noise = pgd.random_starts(IMAGES, options, 0, restart)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pgd, "random_starts", lambda *_, noise=noise: noise)
            singles.append(attack(model, IMAGES, labels, Attack(steps=1)))
    leads = torch.stack([lead(one) for one in singles])
    chosen = torch.stack([singles[int(best)][i] for i, best in enumerate(leads.argmax(0))])
    assert len(set(leads.argmax(0).tolist())) > 1  # or the test would show nothing
    assert torch.equal(attack(model, IMAGES, labels, options), chosen)


def with_state():
    """A model with BatchNorm, dropout and modes and flags that differ from module to module, in training."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU(), nn.Flatten(), nn.Linear(400, 10)
        model = nn.Sequential(*layers)
    model[2].eval()
    model[0].weight.requires_grad_(False)
    model[5].bias.grad = torch.ones(10)
    return model


def state_of(model):
    """All that an attack might leave changed."""
    weights = [(weight.requires_grad, weight.grad) for weight in model.parameters()]
    return {
        "modes": [module.training for module in model.modules()],
        "weights": {name: value.clone() for name, value in model.state_dict().items()},
        "flags": [flag for flag, _ in weights],
        "gradients": [None if grad is None else grad.tolist() for _, grad in weights],
    }


@pytest.mark.parametrize("restarts", [1, 2])
def test_a_model_in_training_is_attacked_in_evaluation_mode_and_left_as_it_was(restarts):
    """Batch statistics would move, and images would be attacked in the company of others."""
    model, twin = with_state(), with_state().eval()
    before = state_of(model)
    found = attack(model, IMAGES, LABELS, Attack(restarts=restarts))
    after = state_of(model)
    assert all(torch.equal(after["weights"][name], value) for name, value in before.pop("weights").items())
    assert {name: after[name] for name in before} == before
    assert torch.equal(found, attack(twin, IMAGES, LABELS, Attack(restarts=restarts)))
    single = torch.cat([attack(model, IMAGES[i : i + 1], LABELS[i : i + 1], first=i) for i in range(9)])
    torch.testing.assert_close(attack(model, IMAGES, LABELS), single, rtol=0, atol=1e-6)


@pytest.mark.parametrize("fault", [LayerMixError, KeyboardInterrupt])
def test_a_model_is_left_as_it_was_after_a_fault_too(fault):
    model, calls = with_state(), []

    def fail(*_):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt if fault is KeyboardInterrupt else ZeroDivisionError

    model[4].register_forward_hook(fail)
    before = state_of(model)
    with pytest.raises(fault):
        attack(model, IMAGES, LABELS)
    after = state_of(model)
    assert all(torch.equal(after["weights"][name], value) for name, value in before.pop("weights").items())
    assert {name: after[name] for name in before} == before


def test_what_is_attacked_keeps_no_graph_and_may_come_from_anywhere():
    """Images that require gradients, and tensors of inference mode, give what plain ones give."""
    model = convolutional()
    expected = attack(model, IMAGES, LABELS, Attack(steps=2))
    grown = IMAGES.clone().requires_grad_()
    found = attack(model, grown, LABELS, Attack(steps=2))
    assert not found.requires_grad
    assert grown.grad is None
    assert torch.equal(found, expected)
    with torch.inference_mode():
        assert torch.equal(attack(model, IMAGES.clone(), LABELS.clone(), Attack(steps=2)), expected)


def test_a_model_without_gradients_is_refused():
    class Frozen(nn.Module):
        def forward(self, images):
            return images.detach().mean((2, 3))

    with pytest.raises(LayerMixError, match="expected a model with gradients to attack"):
        attack(Frozen(), IMAGES, LABELS % 3)


@pytest.mark.parametrize("restarts", [1, 2])
@pytest.mark.parametrize(
    ("answer", "labels", "message"),
    [
        (lambda x: {"logits": x.mean((2, 3))}, LABELS % 3, "as a tensor of floats, got dict; return them alone"),
        (lambda x: x.mean(2), LABELS % 3, r"expected logits \(9, classes\) from the model, got \(9, 3, 12\)"),
        (lambda x: x.mean((2, 3)) / 0, LABELS % 3, "NaN or infinity for 9 of 9 images; check the checkpoint"),
        (lambda x: x.mean((2, 3)), LABELS, r"expected labels in \[0, 2\] for this model, got 3; give the model"),
        (lambda x: x.mean((2, 3)), LABELS - 1, r"expected labels in \[0, 2\] for this model, got -1; give"),
        (lambda x: x.mean((2, 3)), LABELS.float(), r"expected labels \(9,\) of torch.int64, got torch.float32 \(9,\)"),
        (lambda x: x.mean((2, 3)), LABELS[:4], r"expected labels \(9,\) of torch.int64, got torch.int64 \(4,\)"),
        (lambda x: sys.exit(0), LABELS, r"the model failed on images \(9, 3, 12, 12\): SystemExit: 0; give"),
        (lambda x: (0 * x).sqrt().mean((2, 3)), LABELS % 3, "expected finite gradients, got NaN or infinity; mend"),
        (
            lambda x: checkpoint(lambda y: y.mean((2, 3)).exp(), x, use_reentrant=True),
            LABELS % 3,
            r"failed at the gradient with respect to \(9, 3, 12, 12\): RuntimeError: .*use_reentrant.*; give a model",
        ),
    ],
)
def test_models_and_labels_are_checked(answer, labels, message, restarts):
    with pytest.raises(LayerMixError, match=message) as caught:
        attack(Answering(answer), IMAGES, labels, Attack(restarts=restarts))
    assert "\n" not in str(caught.value)


def test_a_model_with_checkpoints_is_attacked():
    model = convolutional()
    found = attack(Answering(lambda x: checkpoint(model, x, use_reentrant=False)), IMAGES, LABELS)
    assert torch.equal(found, attack(model, IMAGES, LABELS))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ((IMAGES * 255).byte(), r"expected images .* in \[0, 1\], got torch.uint8 \(9, 3, 12, 12\); divide pixels"),
        (IMAGES[0], r"expected images \(B, 3, H, W\) in \[0, 1\], got torch.float32 \(3, 12, 12\)"),
        (IMAGES[:0], r"expected images .*, got torch.float32 \(0, 3, 12, 12\)"),
        (IMAGES * 255, r"expected pixels in \[0, 1\], got some in \[.*, 25.*\]; divide them by 255, and leave"),
        (IMAGES - 0.5, r"expected pixels in \[0, 1\], got some in \[-0.*\]; .* normalization to the model"),
        (IMAGES / 0, r"expected pixels in \[0, 1\], got some in"),
    ],
)
def test_pixels_are_checked(images, message):
    with pytest.raises(LayerMixError, match=message):
        attack(convolutional(), images, LABELS[: len(images)])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"variant": "wrong"}, "variant of PGD must be one of correct, released, got 'wrong'"),
        (
            {"epsilon": 2},
            r"^epsilon must be a number above 0 and at most 1, got 2; .* \[0, 1\]: 2/255 is 0.00784$",
        ),
        ({"step_size": 0}, "^step size must be a number above 0 and at most 1, got 0; pixels"),
        ({"steps": 0}, "^steps must be a whole number from 1 on, got 0; change steps="),
        ({"restarts": 0}, "^restarts must be a whole number from 1 on, got 0; change restarts="),
    ],
)
def test_options_are_checked(values, message):
    with pytest.raises(LayerMixError, match=message):
        Attack(**values)
