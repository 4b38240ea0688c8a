"""Made-up results, of models that do not exist, for the tests of reports."""

from pathlib import Path
from typing import Any

import numpy as np

from layermix_gen.evaluate.benchmarks import SEVERITIES, P, mean_list
from layermix_gen.evaluate.results.predictions import (
    AnyPredictions,
    Predictions,
    SequencePredictions,
    predicted,
    predicted_sequences,
    stack,
)
from layermix_gen.evaluate.results.results_folder import begin_results, save_part
from layermix_gen.evaluate.results.signature import Signature, Suite

SUITES = ("clean", "c", "cbar", "p", "pgd")
SETTINGS: dict[str, str | int | float] = {"preprocessing": "none"}
ATTACK = SETTINGS | {"epsilon": 2 / 255, "steps": 20, "step_size": 0.5 / 255, "restarts": 1}


def make_signature(
    suites: tuple[str, ...] = SUITES,
    images: int = 120,
    severities: tuple[int, ...] = SEVERITIES,
    settings: dict[str, str | int | float] = SETTINGS,
    attack: dict[str, str | int | float] = ATTACK,
    **changes: Any,
) -> Signature:
    facts = {
        "clean": Suite(images, data="data/x", settings=settings),
        "c": Suite(images, severities, "data/x-c", settings),
        "cbar": Suite(images, severities, "data/x-cbar", settings),
        "r": Suite(images, data="data/x-r", settings=settings),
        "p": Suite(6, data="data/x-p", settings=settings),
        "pgd": Suite(images, settings=attack),
    }
    values: dict[str, Any] = {
        "model": "models.py:small",
        "model_sha256": "ef" * 32,
        "checkpoint": "a.pt",
        "checkpoint_sha256": "ab" * 32,
        "checkpoint_rule": "last",
        "dataset": "cifar100",
        "scale": "cifar",
        "n_classes": 8,
        "normalization": "mean 0, std 1",
        "precision": "float32",
        "seed": 0,
        "versions": {"torch": "2.13.0"},
        "suites": {name: facts[name] for name in suites},
    }
    return Signature(**values | changes)


def some_images(rng: np.random.Generator, skill: float, images: int = 120, classes: int = 8) -> Predictions:
    """Predictions of a model; the more `skill`, the fewer errors."""
    labels = rng.integers(0, classes, images)
    logits = rng.normal(0, 1.5, (images, classes))
    logits[np.arange(images), labels] += skill
    return predicted(logits, labels)


def some_videos(rng: np.random.Generator, videos: int = 6, classes: int = 8) -> SequencePredictions:
    lengths = rng.integers(2, 7, videos)
    return predicted_sequences(rng.normal(size=(lengths.sum(), classes)), lengths)


def make_part(rng: np.random.Generator, suite: str, skill: float, classes: int, facts: Suite) -> AnyPredictions:
    if suite == "p":
        return some_videos(rng, facts.images, classes)
    if suite in ("c", "cbar"):
        skills = {number: skill - number / 3 for number in facts.severities}
        return stack({number: some_images(rng, one, facts.images, classes) for number, one in skills.items()})
    return some_images(rng, skill, facts.images, classes)


def make_results(
    root: Path, skill: float = 3.0, seed: int = 0, without: tuple[str, ...] = (), **changes: Any
) -> tuple[Signature, dict[str, dict[str, AnyPredictions]]]:
    """Write results of all parts of some suites but those in `without`; return their signature and the predictions."""
    rng, signature = np.random.default_rng(seed), make_signature(**changes)
    begin_results(root, signature)
    made: dict[str, dict[str, AnyPredictions]] = {}
    for suite in signature.suites:
        parts = ("correct", "released") if suite == "pgd" else P if suite == "p" else mean_list(suite, signature.scale)
        for part in parts:
            if f"{suite}/{part}" not in without:
                facts = signature.n_classes, signature.suites[suite]
                made.setdefault(suite, {})[part] = make_part(rng, suite, skill, *facts)
                save_part(root, signature, suite, part, made[suite][part])
    return signature, made
