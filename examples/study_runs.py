"""One run of a study: its dataset is built, a network is trained on it and evaluated, and a small JSON file written."""

import json
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import models
import numpy as np
import torch
from models import make_model
from study_laboratory import SECONDS, TEMPERATURE, TRAINED, Laboratory, write
from study_matrix import Condition, Run, read_facts
from torch import nn
from training import Recipe, train

from layermix_gen import open_shards
from layermix_gen.dataset.names import plane_name
from layermix_gen.evaluate import Forward, Measured, find_temperature, measure, run
from layermix_gen.sources import open_source

MEAN = STD = 0.5
BATCH = 128
PACKAGES = ("layermix-gen", "torch", "numpy", "opencv-python-headless")
MEASURED = ("clean_error", "c_error", "cbar_error", "p_flips", "pgd_error", "clean_rms", "c_rms", "cbar_rms")
TESTED = 500  # images at a time
CALIBRATED = ("clean", "c")  # the suites on which calibration is measured after temperature scaling, too


def do(one: Run, lab: Laboratory, *, wait: bool = True) -> bool:
    """Train and evaluate, unless that is done, and write the result; without `wait`, tell whether others are at it."""
    with lab.alone_or_not(one, wait=wait) as is_alone:
        if is_alone and not lab.is_done(one):
            _do(one, lab)
    return is_alone


def _do(one: Run, lab: Laboratory) -> None:
    torch.set_num_threads(1)
    trained = lab.folder(one)
    training = trained / TRAINED
    if one.condition.rescaled:
        lab.rest_of_test(lab.study.images)  # which ends a study that has none, before anything is trained
    if not training.exists():
        write(training, fit(one, lab, trained))
    begin = time.process_time()
    found = evaluated(one, trained / "checkpoint.pt", lab)
    seconds = time.process_time() - begin
    if lab.result(one).exists():  # with less than what is measured now
        seconds += read_facts(lab.result(one), ("made",))["made"]["evaluate_seconds"]
    facts = json.loads(training.read_text())
    made = facts.pop("made") | {"evaluate_seconds": round(seconds, 1), "machine": processor(), "versions": versions()}
    results = {"run": lab.facts(one), "test": lab.study.tests(), "results": found}
    write(lab.result(one), results | facts | {"made": made})


def fit(one: Run, lab: Laboratory, out: Path) -> dict[str, Any]:
    """Train the network of a run, from its beginning or its last epoch; return what is to be told of that."""
    shards = lab.dataset(one.condition)
    begin, resumed = time.process_time(), (out / "checkpoint.pt").exists()
    learn_from(shards, one, out, lab)
    return {
        "losses": losses(out / "log.jsonl"),
        "data": data_facts(shards, one.condition),
        "made": {
            "train_seconds": None if resumed else round(time.process_time() - begin, 1),
            "build_seconds": json.loads((shards / SECONDS).read_text()),
            "compiled": lab.compiled,
        },
    }


def learn_from(shards: Path, one: Run, out: Path, lab: Laboratory) -> None:
    """Train on shards, with the loop of the other examples."""
    condition = one.condition
    torch.manual_seed(one.seed)
    recipe = Recipe(
        epochs=condition.epochs,
        batch_size=BATCH,
        rate=0.1,
        weight_decay=5e-4,
        soft_labels=condition.method in ("mixup", "cutmix"),
        jsd=condition.jsd_weight if condition.loss == "jsd" else 0,
        outliers="",
        seed=one.seed,
        mean=(MEAN,),
        std=(STD,),
        save_every=10**9,  # steps: at the ends of epochs alone
        out=out,
        variants=None if condition.fresh else condition.variants,
        in_memory=True,
        compiled=lab.compiled,
        fresh=condition.fresh,
        mix=condition.mix,
        mixing_set=lab.mixing_set(condition.mixing_set) if condition.fresh else None,
    )

    def make(classes: int) -> tuple[nn.Module, str]:
        return make_model(condition.network, classes), model_spec(condition, classes)

    train(make, str(shards), None, recipe)


def model_spec(condition: Condition, classes: int) -> str:
    """How `evaluate run` makes the network of a condition."""
    return f"{models.__file__}:make_model({condition.network}, {classes})"


def evaluated(one: Run, checkpoint: Path, lab: Laboratory) -> dict[str, Any]:
    """The metrics of a trained network, in percent: errors by corruption, too."""
    data, kind = lab.images()
    model = model_spec(one.condition, len(open_source(data, kind).classes))
    count = lab.study.images
    places: dict[str, Path] = {"clean": lab.first_of_test(count)}
    places |= {name: lab.suite(name) for name in ("c", "cbar", "p") if name in lab.study.suites}

    loaded: dict[str, Any] = {"checkpoint": checkpoint, "mean": MEAN, "std": STD, "progress": False}

    def measured(name: str, where: dict[str, Path], suites: Sequence[str], temperature: float = 1.0) -> Measured:
        forward = Forward(batch_size=TESTED, temperature=temperature)
        folder = lab.predictions(one) / name
        run(model, where, folder, suites, checkpoint_rule="last", forward=forward, **loaded)
        return measure(folder)

    whole = measured("whole", {"clean": lab.first_of_test(None)}, ("clean", "calibration"))
    part = measured("part", places, lab.study.suites)
    found = numbers(whole, part)
    if one.condition.rescaled:
        temperature = find_temperature(model, lab.rest_of_test(count), forward=Forward(batch_size=TESTED), **loaded)
        calibrated = [name for name in (*CALIBRATED, "calibration") if name in lab.study.suites]
        found |= rescaled(part, measured("rescaled", places, calibrated, float(f"{temperature:.3g}")))
    return found


def numbers(whole: Measured, part: Measured) -> dict[str, Any]:
    """The metrics of a result, on all test images and on the part of them for corruptions and attack."""
    means = {name: part.numbers[name].value for name in MEASURED if name in part.numbers}
    means |= {name: whole.numbers[name].value for name in ("clean_error", "clean_rms")}
    means["clean_rms_floor"] = whole.calibration["clean"]["rms_floor"].value
    if "c" in part.calibration:
        means["c_rms_floor"] = part.calibration["c"]["rms_floor"].value
    by_part: dict[str, Any] = {
        suite: {name: part.mean_error(suite, name) for name in part.errors[suite]}
        for suite in ("c", "cbar")
        if suite in part.errors
    }
    by_part["p"] = {name: flips for name, (flips, _) in part.consistency.items()}
    return rounded(means | {"by_part": by_part})


def rescaled(before: Measured, after: Measured) -> dict[str, Any]:
    """Calibration on the same images before and after temperature scaling; under C, before is in the other results."""
    means = {TEMPERATURE: after.signature.temperature, "part_clean_rms": before.numbers["clean_rms"].value}
    means |= {f"rescaled_{name}_rms": after.numbers[f"{name}_rms"].value for name in CALIBRATED if name in after.parts}
    return rounded(means)


def rounded(value: Any) -> Any:
    """All numbers with four decimals."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def losses(log: Path) -> list[float]:
    """The mean loss of each epoch. What a stopped run has logged and then repeated counts once, as logged last."""
    lines = {line["step"]: line for line in map(json.loads, log.read_text().splitlines()) if "loss" in line}
    counts = np.diff([0, *sorted(lines)]).tolist()  # of the steps that a line tells the mean of
    told = [(lines[step]["epoch"], lines[step]["loss"], n) for step, n in zip(sorted(lines), counts, strict=True)]
    epochs = [[(loss, n) for at, loss, n in told if at == epoch] for epoch in sorted({at for at, _, _ in told})]
    return [round(sum(loss * n for loss, n in one) / sum(n for _, n in one), 5) for one in epochs]


def data_facts(shards: Path, condition: Condition) -> dict[str, Any]:
    """Which bytes a condition reads, and how many."""
    manifest = open_shards(shards).manifest
    read = tuple(f"{plane_name(number)}/" for number in range(condition.variants))
    if condition.loss == "jsd" or condition.fresh:
        read += ("clean/",)
    size = sum(facts["bytes"] for name, facts in manifest.tars.items() if name.startswith(read))
    return {"digest": manifest.digest, "bytes": size}


def processor() -> str:
    """The name of this machine's processor, which decides the last digits."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> dict[str, str]:
    """What made the numbers."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
