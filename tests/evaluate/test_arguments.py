"""Wrong arguments to every public function of `evaluate` end in one line, and right ones give the same numbers."""

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss as log_loss_of_scikit_learn
from sklearn.metrics import top_k_accuracy_score

from layermix_gen import evaluate
from layermix_gen.errors import LayerMixError
from tests.evaluate.made_results import make_results
from tests.evaluate.worlds import write_photographs
from tests.evaluate.wrong_arguments import (
    FOLDER,
    GUESSES,
    LABELS,
    LOCATED,
    LOGITS,
    MEASURED,
    RETURNED,
    RIGHT,
    SHARES,
    TABLE,
)

# Their right arguments have tests of their own.
COSTLY = ("run", "find_temperature", "corrupt", "write_gradcam_sheet", "write_report")
NET = "from tests.evaluate.wrong_arguments import Small as net\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the words of the table stand for: a folder with a test set, results, a model and an image; its suites."""
    root = tmp_path_factory.mktemp("arguments")
    write_photographs(root / "world" / "val", 0, 8, 8, each=1)
    write_photographs(root / "images", 0, 8, 8, each=1, wnids=("n1",))
    next((root / "images" / "n1").iterdir()).rename(root / "image.png")
    (root / "net.py").write_text(NET)
    make_results(root / "run", suites=("clean",))
    located = evaluate.locate({"clean": root / "world" / "val"})
    return {FOLDER: root, LOCATED: located, MEASURED: evaluate.make_report([root / "run"])}


def placed(value: Any, world: Mapping[str, Any]) -> Any:
    """A value of the table, with what its words stand for."""
    if isinstance(value, str):
        return world.get(value) or value.replace(FOLDER, str(world[FOLDER]))
    if isinstance(value, list):
        return [placed(one, world) for one in value]
    return {key: placed(one, world) for key, one in value.items()} if type(value) is dict else value


def called(name: str, arguments: Mapping[str, Any]) -> Any:
    """What a public function returns; a context manager is entered and left."""
    result = getattr(evaluate, name)(**arguments)
    if name == "evaluating":
        with result:
            return None
    return result


def test_every_public_function_has_a_row() -> None:
    assert TABLE.keys() | RETURNED == set(dir(evaluate))


@pytest.mark.parametrize("name", TABLE)
def test_wrong_arguments_end_in_one_line(name: str, world: dict[str, Any]) -> None:
    """Each is an expectation, what was found, and what to do; none is accepted, and none ends in another error."""
    right, wrong = TABLE[name]
    faults = []
    for argument, value in ((argument, value) for argument, values in wrong.items() for value in values):
        try:
            called(name, placed(right | {argument: value}, world))
            faults.append(f"{argument}={reprlib.repr(value)} is accepted")
        except LayerMixError as error:
            if "\n" in str(error) or ";" not in str(error):
                faults.append(f"{argument}={reprlib.repr(value)}: {error}")
        except Exception as error:
            faults.append(f"{argument}={reprlib.repr(value)}: {type(error).__name__}: {error}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", [name for name in TABLE if name not in COSTLY])
def test_right_arguments_are_accepted(name: str, world: dict[str, Any]) -> None:
    called(name, placed(TABLE[name][0], world))


@pytest.mark.parametrize("kind", ["list", "float64", "float16", "bfloat16", "gradient", "negative stride"])
def test_arrays_may_come_in_any_form(kind: str) -> None:
    """Values that all precisions hold give the same numbers in each."""
    coarse = np.round(LOGITS * 4) / 4
    forms = {
        "list": lambda array: array.tolist(),
        "float64": lambda array: array.astype(np.float64),
        "float16": lambda array: torch.tensor(array).half(),
        "bfloat16": lambda array: torch.tensor(array).bfloat16(),
        "gradient": lambda array: torch.tensor(array).requires_grad_(),
        "negative stride": lambda array: array[::-1].copy()[::-1],
    }
    expected, found = evaluate.predicted(coarse, LABELS), evaluate.predicted(forms[kind](coarse), torch.tensor(LABELS))
    assert np.array_equal(found.classes, expected.classes)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-6)
    sequences = evaluate.predicted_sequences(forms[kind](coarse), torch.tensor([20, 20]))
    assert np.array_equal(sequences.classes, expected.classes[0])
    sure = (np.arange(1, 151) % 128 / 128).astype(np.float32)
    for metric in (evaluate.rms_calibration, evaluate.expected_calibration_error, evaluate.aurra):
        assert metric(forms[kind](sure), torch.tensor(RIGHT)) == pytest.approx(metric(sure, RIGHT), abs=1e-9)
    assert evaluate.rms_floor(forms[kind](sure)) == pytest.approx(evaluate.rms_floor(sure), abs=1e-9)


def test_the_numbers_are_those_of_scikit_learn() -> None:
    classes = list(range(7))
    assert evaluate.log_loss(GUESSES)[0] == pytest.approx(log_loss_of_scikit_learn(LABELS, SHARES, labels=classes))
    for top in (1, np.int64(5)):
        accuracy = top_k_accuracy_score(LABELS, SHARES, k=int(top), labels=classes)
        assert evaluate.error_rates(GUESSES, int(top))[0] == pytest.approx(100 * (1 - accuracy))
    by_shares = evaluate.predicted(SHARES, LABELS, probabilities=True)
    np.testing.assert_allclose(by_shares.log_likelihoods, GUESSES.log_likelihoods, rtol=1e-5)


def test_one_hot_logits_are_told_from_probabilities() -> None:
    """A sum of 1 in some rows, or with negative numbers, is no sign of a softmax; neither is a model of one class."""
    mixed = np.concatenate([np.eye(7, dtype=np.float32)[LABELS], LOGITS])
    evaluate.predicted(mixed, np.concatenate([LABELS, LABELS]))
    evaluate.predicted(np.ones((3, 1), np.float32), [0, 0, 0])
    with pytest.raises(LayerMixError, match=r"^expected logits, got outputs that add up to 1 for each image; give"):
        evaluate.predicted(mixed[:40], LABELS)
