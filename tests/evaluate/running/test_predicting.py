"""Predictions are what a model answers for each image alone, for all batch sizes, threads and precisions."""

import sys

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.results.predictions import Predictions, SequencePredictions
from layermix_gen.evaluate.running.pgd import attack
from layermix_gen.evaluate.running.predicting import predict
from layermix_gen.evaluate.running.run_options import Attack, Forward
from layermix_gen.evaluate.suites.base import Part
from tests.evaluate.worlds import Answering, load_from, logits_of, pixels, write_models


@pytest.fixture
def model(tmp_path):
    """The model of ten classes."""
    return load_from(write_models(tmp_path), "ten")


def part_of(images, labels, **options):
    """A part whose images are in memory."""

    def pieces(size):
        return (images[i : i + size] for i in range(0, len(images), size))

    return Part(pieces, np.asarray(labels, np.int64), len(images), **options)


def videos_of(videos, **options):
    return Part(lambda _: iter(videos), None, len(videos), **options)


@pytest.mark.parametrize("batch_size", [1, 7, 30, 100])
def test_predictions_are_those_of_each_image(model, batch_size):
    images, labels = pixels(0, 30, 6, 5, 3), np.arange(30).reshape(5, 6) % 10
    severities = (1, 2, 3, 4, 5)
    said = predict(model, part_of(images, labels, classes=10, severities=severities), Forward(batch_size=batch_size))
    assert isinstance(said, Predictions)
    logs = log_softmax(logits_of(model, images).astype(np.float64), 1)
    order = np.argsort(-logs, 1)[:, :5]
    np.testing.assert_array_equal(said.classes, order.reshape(5, 6, 5))
    assert len(np.unique(order[:, 0])) > 3  # or all predictions might be one constant
    expected = np.exp(np.take_along_axis(logs, order, 1)).reshape(5, 6, 5)
    np.testing.assert_allclose(said.probabilities, expected, atol=1e-5)
    likelihoods = np.take_along_axis(logs, labels.reshape(-1, 1), 1).reshape(5, 6)
    np.testing.assert_allclose(said.log_likelihoods, likelihoods, atol=1e-3)
    np.testing.assert_array_equal(said.labels, labels)
    assert (said.severities, said.n_classes) == (severities, 10)


@pytest.mark.parametrize("batch_size", [1, 4, 9, 100])
def test_videos_of_different_lengths(model, batch_size):
    lengths = [3, 2, 7, 40, 2]
    videos = [pixels(number, length, 4, 4, 3) for number, length in enumerate(lengths)]
    counted = []
    said = predict(model, videos_of(videos), Forward(batch_size=batch_size), watch=counted.append)
    assert isinstance(said, SequencePredictions)
    order = np.argsort(-logits_of(model, np.concatenate(videos)), 1)[:, :5]
    np.testing.assert_array_equal(said.classes, order)
    assert said.lengths.tolist() == lengths
    assert sum(counted) == len(lengths)


def test_some_outputs_alone_count(model):
    images, among = pixels(1, 12, 4, 4, 3), np.array([2, 5, 6])
    labels = np.arange(12)[None] % 3
    said = predict(model, part_of(images, labels, classes=10, among=among))
    logits = logits_of(model, images)[:, among]
    np.testing.assert_array_equal(said.classes[0], np.argsort(-logits, 1))
    np.testing.assert_allclose(said.probabilities.sum(2), 1, rtol=1e-5)
    assert said.n_classes == 3


def test_attacked_predictions_do_not_depend_on_batches(model):
    images, labels = pixels(2, 11, 6, 6, 3), np.arange(11)[None] % 10
    part = part_of(images, labels, classes=10)
    whole = predict(model, part, attacked=Attack(steps=3))
    pieces = predict(model, part, Forward(batch_size=3), attacked=Attack(steps=3))
    np.testing.assert_allclose(pieces.log_likelihoods, whole.log_likelihoods, atol=1e-5)
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    found = attack(model, tensors, torch.from_numpy(labels[0]), Attack(steps=3))
    logs = log_softmax(model(found).detach().numpy(), 1)
    np.testing.assert_allclose(whole.log_likelihoods[0], logs[range(11), labels[0]], atol=1e-4)
    assert (whole.log_likelihoods < predict(model, part).log_likelihoods).all()


def test_batchnorm_neither_learns_nor_looks_at_the_batch():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 6))
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images, labels = pixels(3, 20, 6, 6, 3), np.arange(20)[None] % 6
    one = predict(model, part_of(images, labels), Forward(batch_size=1))
    many = predict(model, part_of(images, labels), Forward(batch_size=20))
    np.testing.assert_allclose(one.log_likelihoods, many.log_likelihoods, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_is_close(model, precision):
    images, labels = pixels(4, 20, 6, 6, 3), np.arange(20)[None] % 10
    part = part_of(images, labels)
    full, half = predict(model, part), predict(model, part, Forward(precision=precision))
    assert 0 < np.abs(full.log_likelihoods - half.log_likelihoods).max() < 0.1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: torch.zeros(len(x), 9), "expected a model of 10 classes for this data, got one of 9"),
        (lambda x: torch.zeros(len(x), 11), "expected a model of 10 classes for this data, got one of 11"),
        (lambda x: torch.full((len(x), 10), torch.nan), "NaN or infinity for 4 of 4 images; check the checkpoint"),
        (lambda x: torch.zeros(len(x), 10, 1), r"expected logits \(4, classes\) from the model, got \(4, 10, 1\)"),
        (lambda x: (x, x), r"expected logits from the model, as a tensor of floats, got tuple; return them alone"),
        (lambda x: torch.zeros(len(x), 10, dtype=torch.complex64), "as a tensor of floats, got torch.complex64"),
        (lambda x: torch.zeros(len(x), 0), r"expected logits \(4, classes\) from the model, got \(4, 0\)"),
        (lambda x: sys.exit(0), r"the model failed on images \(4, 3, 4, 4\): SystemExit: 0; give a model"),
        (lambda x: torch.zeros(len(x), 10, dtype=torch.int64), "as a tensor of floats, got torch.int64"),
    ],
)
def test_outputs_that_do_not_fit(answer, message):
    part = part_of(pixels(0, 4, 4, 4, 3), [[0, 1, 2, 3]], classes=10)
    with pytest.raises(LayerMixError, match=message):
        predict(Answering(answer), part)
    with pytest.raises(LayerMixError, match=message):
        predict(Answering(answer), videos_of([pixels(0, 4, 4, 4, 3)], classes=10))


def test_mixed_precision_is_named_where_it_was_used():
    part = part_of(pixels(0, 4, 4, 4, 3), [[0, 1, 2, 3]], classes=10)
    for precision, remedy in (("float32", ""), ("bf16", ", or evaluate without --amp"), ("fp16", ", or evaluate w")):
        with pytest.raises(LayerMixError, match=f"check the checkpoint and --mean and --std{remedy}") as caught:
            predict(Answering(lambda x: torch.full((len(x), 10), torch.nan)), part, Forward(precision=precision))
        assert ("--amp" in str(caught.value)) == bool(remedy)


def test_ctrl_c_is_no_fault():
    def answer(images):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(Answering(answer), part_of(pixels(0, 4, 4, 4, 3), [[0, 1, 2, 3]]))


@pytest.mark.parametrize("attacked", [None, Attack(steps=1)])
def test_a_model_that_fails_in_the_midst(model, attacked):
    """The first batches succeed; a shorter one fails, as with some exported models."""

    def answer(images):
        if len(images) < 3:
            raise ValueError("expected 3 images\nsecond line")
        return model(images)

    part = part_of(pixels(0, 7, 4, 4, 3), np.arange(7)[None], classes=10)
    with pytest.raises(LayerMixError) as caught:
        predict(Answering(answer), part, Forward(batch_size=3), attacked=attacked)
    assert str(caught.value) == (
        "the model failed on images (1, 3, 4, 4): ValueError: expected 3 images; give a model for such images, and for "
        "any number of them"
    )


@pytest.mark.parametrize("attacked", [None, Attack(steps=1)])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you"),
    ],
)
def test_memory_that_runs_out(error, attacked):
    def answer(images):
        raise error

    part = part_of(pixels(0, 7, 4, 4, 3), np.arange(7)[None], classes=10)
    with pytest.raises(LayerMixError, match="there is no memory for 5 images at a time; lower --batch-size"):
        predict(Answering(answer), part, Forward(batch_size=5), attacked=attacked)


def test_memory_that_runs_out_for_certain():
    """With the error that PyTorch itself raises on this machine."""
    part = part_of(pixels(0, 7, 4, 4, 3), np.arange(7)[None], classes=10)
    with pytest.raises(LayerMixError, match="there is no memory for 5 images at a time"):
        predict(Answering(lambda x: x.new_zeros(1 << 55)), part, Forward(batch_size=5))


def test_labels_above_the_models_classes():
    part = part_of(pixels(0, 4, 4, 4, 3), [[0, 1, 2, 12]])
    with pytest.raises(LayerMixError, match="expected a model of 13 classes for this data, got one of 10"):
        predict(Answering(lambda x: torch.zeros(len(x), 10)), part)


def test_a_part_that_gives_fewer_images_than_labels(model):
    part = part_of(pixels(0, 4, 4, 4, 3), [[0, 1, 2, 3, 4]])
    with pytest.raises(LayerMixError, match="expected 5 images, read 4"):
        predict(model, part)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch size must be a whole number from 1 on"),
        ({"precision": "int8"}, "precision must be one of float32, bf16, fp16"),
        ({"device": "toaster"}, "expected a device like 'cuda'"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(LayerMixError, match=message):
        Forward(**options)
