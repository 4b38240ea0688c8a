"""Right and wrong arguments of the public functions of `evaluate`, a row for each."""

from typing import Any

import numpy as np
import torch
from torch import nn

from layermix_gen import evaluate
from tests.evaluate.made_results import make_signature

RETURNED = {"Attention", "Corrupted", "Measured", "Report", "SuiteReport"}  # what functions return: nobody makes these
RNG = np.random.default_rng(0)
SURE, RIGHT = RNG.uniform(0.1, 1, 150), RNG.random(150) < 0.7
LOGITS, LABELS = RNG.normal(size=(40, 7)).astype(np.float32), RNG.integers(0, 7, 40)
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
NAN = float("nan")

PATHS = (3, None, "", "a\0b", b"x", "\ud800")
FLAGS = (1, 0.0, "no", None)
TEXTS = (3, None, b"x", ["x"])
WHOLES = (True, 1.5, "1", -1, None, np.float32(1), 2**70)
SEVERAL = ("abc", 3, None)
OTHERS = (3, "x", [])
CONFIDENCES = (
    [],
    [[0.5]],
    0.5,
    None,
    "high",
    LABELS,
    RIGHT,
    SURE + 0j,
    SURE[:-1],
    SURE + 1,
    SURE - 1,
    np.where(RIGHT, SURE, NAN),
    np.where(RIGHT, SURE, np.inf),
    [[0.5], [0.5, 0.5]],
    {"a": 1},
    torch.eye(2).to_sparse(),
    torch.empty(150, device="meta"),
)
CORRECT = (*(None, [], "yes", RIGHT[:-1], RIGHT[None], RNG.integers(0, 7, 150), SURE, -RIGHT.astype(int)), [NAN] * 150)
OUTPUTS = (
    *(None, [], "x", LOGITS[0], LOGITS[None], LOGITS[:, :0], LABELS, LOGITS[:3], LOGITS + 0j, LOGITS * NAN, RIGHT),
    *([[1.0], [1.0, 2.0]], torch.zeros(40, 7, device="meta")),
)
ANSWERS = (
    *(None, 3, "x", LABELS[:-1], LABELS[:, None], LABELS + 7, LABELS - 7, LABELS.astype(float), LABELS > 2, [-1] * 40),
    *(np.eye(7)[LABELS], torch.tensor(LABELS).float()),
)
PIXELS = (
    *(None, "x", IMAGES.numpy(), IMAGES[0], IMAGES[:0], IMAGES * 255, IMAGES - 1, IMAGES * NAN),
    (IMAGES * 255).byte(),
)
BINS = (*WHOLES, 0, 10**9, "all")
LOSS = torch.zeros(2, 3, 7)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 7))

    def forward(self, images: torch.Tensor) -> Any:
        return self.layers(images)


MODELS = (None, "x", 3, lambda images: images, Small)
NO_PART = (None, LABELS, SURE, "x")
PAIR = ("a", Small())
SIGNATURE = make_signature()
GUESSES = evaluate.predicted(LOGITS, LABELS)
VIDEOS = evaluate.predicted_sequences(LOGITS, [20, 20])
PART = evaluate.Part(lambda size: iter([np.zeros((2, 8, 8, 3), np.uint8)]), np.zeros((1, 2), np.int64), 2)
FIELDS = {name: getattr(GUESSES, name) for name in ("labels", "classes", "probabilities", "log_likelihoods")}

# The right arguments of each function, and the wrong ones that take their places one by one. The words are replaced.
FOLDER, LOCATED, MEASURED = "FOLDER", "LOCATED", "MEASURED"
TABLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Attack": (
        {},
        {"variant": (*TEXTS, "worst"), "steps": (*WHOLES, 0), "restarts": (*WHOLES, 0), "seed": WHOLES}
        | {name: (0, -0.1, 8, 2.0, NAN, "2/255", None, True, [0.1], np.inf) for name in ("epsilon", "step_size")},
    ),
    "Forward": (
        {},
        {"device": (None, "gpu", "cuda:99"), "batch_size": (*WHOLES, 0), "precision": (*TEXTS, "fp8")}
        | {"temperature": ("1", 0, -1, NAN, np.inf, None, True)},
    ),
    "Normalized": (
        {"model": Small()},
        {"model": MODELS, "folder": TEXTS}
        | {name: (None, "x", [], [1, 2], [NAN] * 3, np.ones((3, 1))) for name in ("mean", "std")}
        | {"std": (0, -1, [1, 1, 0])},
    ),
    "Part": (
        {"pieces": lambda size: iter(()), "labels": LABELS[None], "total": 40},
        {"pieces": OTHERS, "labels": (*OTHERS, LABELS, LOGITS, LABELS[None] - 7), "total": (*WHOLES, 0)}
        | {"classes": WHOLES, "severities": (*OTHERS, None), "among": (*OTHERS, LOGITS, LABELS - 7)},
    ),
    "Predictions": (
        FIELDS | {"n_classes": 7},
        {name: (None, 3, [], one.tolist(), -9 * one, one[:, :-1], one[0]) for name, one in FIELDS.items()}
        | {"n_classes": (*WHOLES, 0, 3), "severities": ((), (1, 2), [0], None, (-1,), (True,), ("x",))},
    ),
    "SequencePredictions": (
        {"classes": VIDEOS.classes, "lengths": VIDEOS.lengths, "n_classes": 7},
        {"classes": (*OTHERS, VIDEOS.classes[:-1], VIDEOS.classes - 7), "n_classes": (*WHOLES, 0, 3)}
        | {"lengths": (*OTHERS, VIDEOS.lengths - 1, np.array([39, 1]), np.array([], np.int64))},
    ),
    "Signature": (
        {name: getattr(SIGNATURE, name) for name in SIGNATURE.__slots__},
        dict.fromkeys(("model", "checkpoint", "dataset", "normalization", "precision"), (3, None, b"x"))
        | {"checkpoint_rule": (*TEXTS, "first"), "scale": (*TEXTS, "mnist"), "n_classes": (*WHOLES, 0)}
        | {"temperature": ("1", 0.0, -1.0, NAN, np.inf, None, True)}
        | {"seed": ("x", 1.5, True), "versions": (*OTHERS, {"torch": 2}), "suites": (*OTHERS, {"c": 3}, {"x": 3})},
    ),
    "Suite": (
        {"images": 3},
        {"images": (*WHOLES, 0), "severities": (*OTHERS, (), ("1",)), "data": TEXTS}
        | {"settings": (*OTHERS, {"a": None}, {3: 3}), "stamps": (*OTHERS, {"a": 3})},
    ),
    "SuiteOptions": ({}, {"preprocessing": (*TEXTS, "crop"), "extras": FLAGS, "threads": WHOLES}),
    "attack": (
        {"model": Small(), "images": IMAGES, "labels": torch.tensor([0, 1])},
        {"model": MODELS, "images": PIXELS, "options": OTHERS[:2], "first": WHOLES}
        | {
            "labels": (
                *(None, [0, 1], np.array([0, 1]), torch.tensor([0]), torch.tensor([0, 7]), torch.tensor([-1, 0])),
                *(torch.tensor([0.0, 1.0]), torch.tensor([True, False]), torch.tensor([[0, 1]])),
                torch.zeros(2, dtype=torch.int64, device="meta"),
            )
        },
    ),
    "aurra": ({"confidences": SURE, "correct": RIGHT}, {"confidences": CONFIDENCES, "correct": CORRECT}),
    "begin_results": (
        {"root": f"{FOLDER}/begun", "signature": SIGNATURE},
        {"root": PATHS, "signature": (None, "x", {})},
    ),
    "check_data": (
        {"root": f"{FOLDER}/world", "progress": False},
        {"root": (*PATHS, "nowhere"), "deep": FLAGS, "threads": WHOLES, "progress": FLAGS},
    ),
    "class_columns": (
        {"head": ["a", "b"], "subset": ["b"]},
        {"head": (*SEVERAL, [1, 2], ["a", "a"]), "subset": (*SEVERAL, [1], ["b", "b"], ["c"])},
    ),
    "corrupt": (
        {"source": f"{FOLDER}/world/val", "out": f"{FOLDER}/made", "suite": "c"},
        {"source": (*PATHS, "nowhere"), "out": PATHS, "suite": (*TEXTS, "r"), "scale": (3, "mnist", ["cifar"])}
        | {"severities": (3, "12", (), (0,), (6,), (True,), (1.0,), ("1",)), "layout": (3, "zip", ["arrays"])}
        | {"sample": (True, 0, -1, 1.5, "1", 99)}
        | {"corruptions": ("fog", 3, (3,), ("rain",)), "seed": WHOLES, "kind": (*TEXTS, "zip")}
        | {"workers": (True, 0, -1, 1.5, "1"), "progress": FLAGS, "max_pixels": (True, 0, -1, "x", None, 1.5)},
    ),
    "corrupted": (
        {
            "image": np.zeros((32, 32, 3), np.uint8),
            "name": "fog",
            "severity": 1,
            "scale": "cifar",
            "rng": np.random.default_rng(0),
        },
        {"image": (*OTHERS, None, IMAGES, np.zeros((32, 32, 3))), "name": (*TEXTS, "rain"), "severity": (*WHOLES, 0, 6)}
        | {"scale": (*TEXTS, "mnist"), "rng": (None, 0, np.random, "x")},
    ),
    "error_rates": ({"part": GUESSES}, {"part": (*NO_PART, VIDEOS), "top": (*WHOLES, 0, 6)}),
    "evaluating": ({"model": Small()}, {"model": MODELS}),
    "expected_calibration_error": (
        {"confidences": SURE, "correct": RIGHT},
        {"confidences": CONFIDENCES, "correct": CORRECT, "bins": BINS},
    ),
    "find_suite": (
        {"suite": "clean", "data": LOCATED, "options": evaluate.SuiteOptions()},
        {"suite": (*TEXTS, "pgd", "c"), "data": (None, "x", {}), "options": (None, "x", {})},
    ),
    "find_temperature": (
        {"model": f"{FOLDER}/net.py:net", "held_out": f"{FOLDER}/world/val", "mean": 0.0, "std": 1.0},
        {"model": (None, 3, Small, "x", b"x"), "held_out": (*PATHS, "nowhere"), "progress": FLAGS}
        | {"checkpoint": (3, "", "nowhere.pt"), "mean": ("x",), "std": (0,)}
        | {"suite_options": OTHERS[:2], "forward": OTHERS[:2]},
    ),
    "fit_temperature": (
        {"logits": LOGITS, "labels": np.where(LABELS < 3, LABELS, LOGITS.argmax(1))},
        {"logits": (*OUTPUTS, SHARES, -LOGITS * 0), "labels": (*ANSWERS, LOGITS.argmax(1), LOGITS.argmin(1))},
    ),
    "flip_probability": (
        {"part": VIDEOS, "noise": False},
        {"part": (*NO_PART, GUESSES), "noise": (*FLAGS, "brightness")},
    ),
    "gradcam": (
        {"model": Small(), "images": IMAGES},
        {
            "model": MODELS,
            "images": (*PIXELS[:5], PIXELS[-1]),
            "layer": (*TEXTS, "x"),
            "target": (True, 1.0, "1", -1, 7, [1]),
        },
    ),
    "jsd_loss": (
        {"logits": LOSS, "labels": torch.tensor([0, 6])},
        {"logits": (None, LOSS.numpy(), LOSS[0], LOSS[:, :1], LOSS[:1], LOSS.long(), LOSS > 0, LOSS[:0])}
        | {"weight": (-1, NAN, np.inf, "12", None, True, [12], torch.tensor(12.0))}
        | {
            "labels": (
                *(None, [0, 6], np.array([0, 6]), torch.tensor([0, 7]), torch.tensor([-1, 0]), torch.tensor([0.0, 6])),
                *(torch.tensor([True, False]), torch.tensor([[0, 6]]), torch.zeros(2, 7), torch.tensor([0])),
                torch.zeros(2, dtype=torch.int64, device="meta"),
            )
        },
    ),
    "outlier_loss": (
        {"logits": LOSS[0]},
        {"logits": (None, LOSS[0].numpy(), LOSS, LOSS[0, 0], LOSS[0].long(), LOSS[0] > 0, LOSS[0, :0])}
        | {"weight": (-1, NAN, np.inf, "12", None, True, [12], torch.tensor(12.0))},
    ),
    "load_model": (
        {"spec": f"{FOLDER}/net.py:net", "mean": 0.5, "std": 0.5},
        {"spec": (*TEXTS, "", "net", "net.py", "net.py:net", "a\0b.py:net"), "n_classes": WHOLES, "seed": WHOLES}
        | {"checkpoint": (3, "", "a\0b", "nowhere.pt"), "mean": ("x", [], [1, 2]), "std": ("x", [], 0)},
    ),
    "load_predictions": ({"path": f"{FOLDER}/run/clean/clean.npz"}, {"path": (*PATHS, "nowhere", FOLDER)}),
    "locate": (
        {"data": {"clean": f"{FOLDER}/world/val"}},
        {"data": (*OTHERS, {}, {"x": "."}, {3: "."}, {"clean": 3}, {"clean": ""}, {"clean": "nowhere"}, {"c": "a\0b"})}
        | {"dataset": TEXTS},
    ),
    "log_loss": ({"part": GUESSES}, {"part": (*NO_PART, VIDEOS)}),
    "make_report": (
        {"results": [f"{FOLDER}/run"]},
        {"results": (*SEVERAL, [], [3], [("a",)], [("a", "b", "c")], [(3, FOLDER)], ["nowhere"], ["a\0b"])}
        | {"paper": ("IV", 3, [3], ["C"]), "reference": (3, "a\0b", "nowhere", FOLDER)},
    ),
    "measure": ({"root": f"{FOLDER}/run"}, {"root": (*PATHS, "nowhere"), "name": TEXTS}),
    "normalized_errors": (
        {"errors": {"fog": 50.0}},
        {"errors": (*OTHERS, None, {3: 1}, *({"fog": one} for one in (-1, 101, NAN, "50", None, True, [1])))},
    ),
    "predict": (
        {"model": Small(), "part": PART},
        {"model": MODELS, "part": (None, "x", IMAGES), "forward": OTHERS[:2], "attacked": OTHERS},
    ),
    "perturbed": (
        {"image": np.zeros((32, 32, 3), np.uint8), "name": "tilt", "scale": "cifar", "rng": np.random.default_rng(0)},
        {"image": (*OTHERS, None, IMAGES, np.zeros((32, 32, 3))), "name": (*TEXTS, "fog"), "scale": (*TEXTS, "mnist")}
        | {"rng": (None, 0, np.random, "x"), "crop": (*WHOLES, 33)},
    ),
    "predicted": (
        {"outputs": LOGITS, "labels": LABELS},
        {"outputs": (*OUTPUTS, SHARES), "labels": ANSWERS, "probabilities": (*FLAGS, True)},
    ),
    "predicted_sequences": (
        {"outputs": LOGITS, "lengths": [20, 20]},
        {"outputs": OUTPUTS, "probabilities": (*FLAGS, True)}
        | {"lengths": (None, 40, [], "x", [20.0, 20.0], [20.7, 20.3], [True] * 40, [39, 1], [20, 21], [[20, 20]])},
    ),
    "read_signature": ({"root": f"{FOLDER}/run"}, {"root": (*PATHS, "nowhere", "a" * 300)}),
    "reliability": (
        {"confidences": SURE, "correct": RIGHT},
        {"confidences": CONFIDENCES, "correct": CORRECT, "bins": BINS},
    ),
    "rms_calibration": (
        {"confidences": SURE, "correct": RIGHT},
        {"confidences": CONFIDENCES, "correct": CORRECT, "bins": (15, True, None, "last", ["all"])},
    ),
    "rms_floor": (
        {"confidences": SURE},
        {"confidences": [one for one in CONFIDENCES if one is not CONFIDENCES[8]], "bins": (15, True, None, "last")},
    ),
    "run": (
        {"model": f"{FOLDER}/net.py:net", "data": {"clean": f"{FOLDER}/world/val"}, "out": f"{FOLDER}/out"},
        {"model": (None, 3, Small, "x", b"x"), "data": (*OTHERS, {}, {"clean": 3}), "out": PATHS}
        | {"suites": ("clean", 3, [3], ["x"]), "pgd": ("correct", 3, [3], ["x"]), "dataset": TEXTS, "progress": FLAGS}
        | {"mean": ("x",), "std": (0,)}
        | {"checkpoint": (3, "", "nowhere.pt"), "checkpoint_rule": (*TEXTS, "first")}
        | {"suite_options": OTHERS[:2], "forward": OTHERS[:2], "attack": OTHERS[:2]},
    ),
    "save_predictions": (
        {"path": f"{FOLDER}/saved.npz", "predictions": VIDEOS},
        {"path": (*PATHS, "nowhere/a.npz", FOLDER), "predictions": (None, LABELS, {})},
    ),
    "stack": (
        {"severities": {1: GUESSES, 2: GUESSES}},
        {"severities": (*OTHERS, None, {}, {1: LABELS}, {"1": GUESSES}, {1: VIDEOS}, {-1: GUESSES})},
    ),
    "top5_distance": (
        {"part": VIDEOS, "noise": False},
        {"part": (*NO_PART, GUESSES), "noise": (*FLAGS, "brightness")},
    ),
    "write_gradcam_sheet": (
        {"models": [PAIR], "paths": [f"{FOLDER}/image.png"], "out": f"{FOLDER}/sheet.png"},
        {"models": (*SEVERAL, [], [Small()], [("a",)], [(3, Small())], [("a", "b")], [(*PAIR, 3)])}
        | {"paths": (*SEVERAL, [], [3], [""], ["nowhere.png"]), "out": (*PATHS, "sheet.jpg"), "device": (None, "gpu")}
        | {"preprocessing": (*TEXTS, "crop"), "layer": (*TEXTS, "x"), "target": (True, 1.0, "1", -1, 7)},
    ),
    "write_report": ({"report": MEASURED, "out": f"{FOLDER}/report"}, {"report": (None, "x", {}), "out": PATHS}),
}
