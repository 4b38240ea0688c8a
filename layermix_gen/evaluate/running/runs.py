"""A run: one model over suites, part after part, into a folder of results.

Each part is saved when it is done, so a run that was stopped continues after the last one. Every fault of the model or
the data that can be found quickly is looked for before hours are spent: each suite is searched for its parts (`tasks`),
and the model is run on the first images of each (`probing`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from torch import nn

from layermix_gen._version import __version__
from layermix_gen.errors import Interrupted
from layermix_gen.evaluate.arguments import as_texts, check_type
from layermix_gen.evaluate.models.loading import resolve_spec
from layermix_gen.evaluate.models.model_specs import TIMM, code_file
from layermix_gen.evaluate.models.weights import weights_digest
from layermix_gen.evaluate.results.results_folder import begin_results, finished_parts, save_part
from layermix_gen.evaluate.results.signature import CHECKPOINT_RULES, Signature
from layermix_gen.evaluate.running.predicting import predict
from layermix_gen.evaluate.running.prepared_model import prepare_model
from layermix_gen.evaluate.running.probing import probe
from layermix_gen.evaluate.running.run_options import Attack, Forward
from layermix_gen.evaluate.running.tasks import SuiteTask, make_tasks
from layermix_gen.evaluate.suites import SuiteOptions, locate
from layermix_gen.support.checks import as_path, check_choice
from layermix_gen.support.files import disk_errors, file_digest
from layermix_gen.support.locks import alone
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.text import as_text

IMAGENET_CLASSES = 1000  # a model with fewer is for another dataset


def run(
    model: str | nn.Module,
    data: Mapping[str, str | Path],
    out: str | Path,
    suites: Sequence[str] = (),
    *,
    checkpoint: str | Path | None = None,
    checkpoint_rule: str = "unknown",
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    suite_options: SuiteOptions | None = None,
    forward: Forward | None = None,
    attack: Attack | None = None,
    pgd: Sequence[str] = (),
    dataset: str = "",
    progress: bool = True,
) -> Signature:
    """Evaluate a model on suites and save its predictions in `out`; return the signature of the results.

    `model` is what `load_model` takes, with its `checkpoint`, `mean` and `std`, or a module that takes normalized
    pixels (B, 3, H, W); a module keeps its device and mode. `data` and `dataset` are what `locate` takes. `suites` are
    some of clean, c, cbar, r, p, pgd and calibration; by default all that have data, except pgd. `pgd` are the variants
    of `attack`, by default "correct". The same call continues where an earlier one was stopped, and can add suites.
    Raises `LayerMixError` for what the user can mend, `Interrupted` after Ctrl-C.
    """
    suite_options, attack, forward = suite_options or SuiteOptions(), attack or Attack(), forward or Forward()
    root, suites, pgd = as_path(out, "folder of results"), as_texts("suites", suites), as_texts("pgd", pgd)
    for name, value, kind in (
        ("suite_options", suite_options, SuiteOptions),
        ("forward", forward, Forward),
        ("attack", attack, Attack),
        ("progress", progress, bool),
    ):
        check_type(name, value, kind)
    check_choice("checkpoint rule", checkpoint_rule, CHECKPOINT_RULES)
    if isinstance(model, str):
        model, _ = resolve_spec(model, checkpoint)
    located = locate(data, dataset)
    tasks = make_tasks(located, suites, suite_options, attack, pgd)
    loaded, forward, name = prepare_model(
        model, checkpoint, mean, std, forward, [task.first for task in tasks.values()], attack.seed
    )
    n_classes = probe(loaded, [(task.first, task.images) for task in tasks.values()], forward)
    signature = Signature(
        model=as_text(name),
        model_sha256=_code_digest(model),
        checkpoint=as_text(checkpoint or ""),
        checkpoint_sha256=weights_digest(loaded),
        checkpoint_rule=checkpoint_rule,
        dataset=_with_classes(located.dataset, n_classes),
        scale=located.scale,
        n_classes=n_classes,
        normalization=loaded.normalization,
        precision=forward.precision,
        seed=attack.seed,
        temperature=forward.temperature,
        versions={"layermix-gen": __version__} | {one: version(one) for one in _libraries(model)},
        suites={name: task.facts() for name, task in tasks.items()},
    )
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    with alone(root):
        signature = begin_results(root, signature)
        _run_all(root, signature, tasks, loaded, forward, progress)
    return signature


def _code_digest(model: str | nn.Module) -> str:
    """The sha256 of the file that a model comes from; "" where there is none."""
    path = code_file(model) if isinstance(model, str) else None
    return file_digest(path) if path else ""


def _libraries(model: str | nn.Module) -> tuple[str, ...]:
    return ("torch", "timm") if isinstance(model, str) and model.startswith(TIMM) else ("torch",)


def _with_classes(dataset: str, n_classes: int) -> str:
    """The dataset's name; ImageNet with fewer classes is another dataset, as in the paper's table VIII."""
    return f"{dataset}-{n_classes}" if dataset == "imagenet" and n_classes != IMAGENET_CLASSES else dataset


def _run_all(
    root: Path, signature: Signature, tasks: Mapping[str, SuiteTask], model: nn.Module, forward: Forward, progress: bool
) -> None:
    """Predict and save the parts that are missing."""
    there = finished_parts(root, signature)
    steps = [(suite, part) for suite, task in tasks.items() for part in task.parts]
    todo = [(suite, part) for suite, part in steps if part not in there[suite]]
    done = len(steps) - len(todo)
    try:
        for suite, part in todo:
            task = tasks[suite]
            attacked = replace(task.attack, variant=part) if task.attack else None
            opened = task.open(part)
            title = f"{done + 1}/{len(steps)} {suite}" + (f" {part}" if part != suite else "")
            unit = "video" if opened.labels is None else "image"
            with progress_bar(opened.total, unit, progress, desc=title, unit_scale=True) as bar:
                said = predict(model, opened, forward, attacked=attacked, watch=bar.update)
            save_part(root, signature, suite, part, said)
            done += 1
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped with {done} of {len(steps)} parts finished; run the same command to resume"
        ) from None
