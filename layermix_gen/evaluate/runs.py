"""A run: one model over suites, part after part, into a folder of results.

Each part is saved when it is done, so a run that was stopped goes on after the last one. Everything that can be wrong
with the model or the data, and can be seen in no time, is looked for before hours are spent: each suite is searched for
its parts, and the model is asked about the first images of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from layermix_gen import __version__
from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.evaluate.faults import memory_faults
from layermix_gen.evaluate.forward import Forward, check_outputs, predict
from layermix_gen.evaluate.lists import PGD, SUITES
from layermix_gen.evaluate.measuring import CALIBRATED
from layermix_gen.evaluate.models import Normalized, evaluating, load_model, weights_digest
from layermix_gen.evaluate.pgd import Attack
from layermix_gen.evaluate.results import Signature, Suite, begin_results, finished_parts, save_part
from layermix_gen.evaluate.suites import Data, Opening, Part, SuiteSource, complete, find_suite, locate
from layermix_gen.evaluate.suites.base import Images, contradiction, differs
from layermix_gen.evaluate.suites.stamps import stamp
from layermix_gen.files import disk_errors, file_digest, locked
from layermix_gen.sources.base import as_text

CALIBRATION = "calibration"  # computed from what the model says of the clean images and, if they are there, of C
CHOICES = (*SUITES, CALIBRATION)
FIRST = 2  # images that the model is asked about: it has to take more than one
IMAGENET_CLASSES = 1000  # a model of fewer is of another dataset


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A suite to be evaluated: where it lies, its first part and the first images of that, and what is done there."""

    source: SuiteSource
    first: Part
    images: Images
    parts: tuple[str, ...]
    stamps: dict[str, str]
    attack: Attack | None = None

    def open(self, part: str) -> Part:
        """Open a part. Raises `LayerMixError` where it differs from the first in what all parts have in common."""
        is_first = self.attack or part == self.source.parts[0]
        opened = self.first if is_first else _open(self.source, part, self.first)
        return replace(opened, size=self.images.shape[1:3])

    def facts(self) -> Suite:
        """What the signature says of the suite."""
        part, options = self.first, asdict(self.attack) if self.attack else {}
        return Suite(
            images=part.total // len(part.severities),
            severities=part.severities,
            data=as_text(self.source.folder),
            settings={"preprocessing": self.source.preprocessing}
            | {name: value for name, value in options.items() if name not in ("variant", "seed")},
            stamps=self.stamps,
        )


def run(
    model: str | nn.Module,
    data: Mapping[str, str | Path],
    out: str | Path,
    suites: Sequence[str] = (),
    *,
    checkpoint: str | Path | None = None,
    checkpoint_rule: str = "unknown",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    opening: Opening | None = None,
    forward: Forward | None = None,
    attack: Attack | None = None,
    pgd: Sequence[str] = (),
    dataset: str = "",
    progress: bool = True,
) -> Signature:
    """Evaluate a model on suites and keep what it says in `out`; return the signature of the results.

    `model` is what `load_model` takes, with its `checkpoint`, `mean` and `std`, or a module that takes normalized
    pixels (B, 3, H, W) and stays on its device and in its mode. `data` and `dataset` are what `locate` takes. `suites`
    are out of clean, c, cbar, r, p, pgd and calibration, by default all that there are data for but pgd. `pgd` are the
    variants of `attack`, by default "correct". The same call goes on where an earlier one was stopped, and adds suites.
    Raises `LayerMixError` for what the user can mend, `Interrupted` after Ctrl-C.
    """
    opening, attack, root = opening or Opening(), attack or Attack(), Path(out)
    located = locate(data, dataset)
    chosen = chosen_suites(suites, located)
    variants = chosen_variants(pgd, chosen)
    jobs = {name: _job(name, located, opening, attack, variants) for name in chosen}
    _check_labels(jobs)
    loaded, forward, name = _prepared(model, checkpoint, mean, std, forward or Forward(), jobs, attack.seed)
    n_classes = max(_probe(loaded, job, forward) for job in jobs.values())
    signature = Signature(
        model=name,
        model_sha256=_code_digest(model),
        checkpoint=str(checkpoint or ""),
        checkpoint_sha256=weights_digest(loaded),
        checkpoint_rule=checkpoint_rule,
        dataset=_with_classes(located.dataset, n_classes),
        scale=located.scale,
        n_classes=n_classes,
        preprocessing=f"{opening.preprocessing if located.scale == 'imagenet' else 'none'}, {loaded.normalization}",
        precision=forward.precision,
        seed=attack.seed,
        versions={"layermix-gen": __version__} | {one: version(one) for one in _libraries(model)},
        suites={name: job.facts() for name, job in jobs.items()},
    )
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    with locked(root):
        signature = begin_results(root, signature)
        _run_all(root, signature, jobs, loaded, forward, progress)
    return signature


# --- what is to be done ----------------------------------------------------------------------------------------------


def chosen_suites(names: Sequence[str], data: Data) -> tuple[str, ...]:
    """The suites to evaluate, in their order. Raises `LayerMixError` for unknown ones and those without data."""
    if unknown := [name for name in names if name not in CHOICES]:
        raise LayerMixError(f"expected suites out of {', '.join(CHOICES)}, got {unknown[0]!r}; change --suites")
    wanted = set(names) or set(data.folders)
    if CALIBRATION in wanted and "clean" in data.folders:
        wanted.add("clean")
    if CALIBRATION in wanted and not wanted.intersection(CALIBRATED):
        raise LayerMixError(
            f"expected data for calibration, which is that of {', '.join(CALIBRATED)}, got none of these; "
            "add --data clean=DIR"
        )
    for name in SUITES:
        folder = "clean" if name == "pgd" else name
        if name in wanted and folder not in data.folders:
            raise LayerMixError(
                f"expected data for the suite {name}, got {', '.join(data.folders)} alone; "
                f"add --data {folder}=DIR, or leave {name} out"
            )
    return tuple(name for name in SUITES if name in wanted)


def chosen_variants(names: Sequence[str], suites: Sequence[str]) -> tuple[str, ...]:
    """The variants of the attack, in their order. Raises `LayerMixError` for unknown ones, and without the suite."""
    if unknown := [name for name in names if name not in PGD]:
        raise LayerMixError(f"expected variants of PGD out of {', '.join(PGD)}, got {unknown[0]!r}; change --pgd")
    if names and "pgd" not in suites:
        raise LayerMixError(f"expected pgd among the suites for its variant {names[0]}; add it to --suites")
    return tuple(name for name in PGD if name in (names or PGD[:1]))


def _job(name: str, data: Data, opening: Opening, attack: Attack, variants: tuple[str, ...]) -> Job:
    source = complete(find_suite("clean" if name == "pgd" else name, data, opening))
    stamps = {part: stamp(source.folder, source.look(part)) for part in source.parts}
    first = source.open(source.parts[0])
    for part in source.parts if source.in_order else ():  # of which nothing has to be listed
        _open(source, part, first)
    images = next(first.batches(FIRST))[:FIRST]
    if name == "pgd":
        return Job(source, first, images, variants, dict.fromkeys(variants, stamps["clean"]), attack)
    return Job(source, first, images, source.parts, stamps)


def _open(source: SuiteSource, part: str, first: Part) -> Part:
    """Open a part. Raises `LayerMixError` where it differs from the first in what all parts have in common."""
    opened = source.open(part)
    if problem := differs(opened, first, as_text(source.folder / part)):
        raise LayerMixError(problem)
    return opened


def _check_labels(jobs: Mapping[str, Job]) -> None:
    """Raise `LayerMixError` where corrupted images cannot be those of the clean suite."""
    for suite in ("c", "cbar"):
        if suite in jobs and "clean" in jobs:
            corrupted, clean = jobs[suite], jobs["clean"]
            in_order = corrupted.source.in_order and clean.source.in_order
            if problem := contradiction(corrupted.first, clean.first, in_order):
                raise LayerMixError(f"{as_text(corrupted.source.folder)}: {problem}")


def _prepared(
    model: str | nn.Module,
    checkpoint: str | Path | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    forward: Forward,
    jobs: Mapping[str, Job],
    seed: int,
) -> tuple[Normalized, Forward, str]:
    """The model on its device, how it is run, and what it is called."""
    if isinstance(model, str):
        parts = [job.first for job in jobs.values()]
        n_classes = max(part.classes or _least_classes(part) for part in parts)
        loaded = load_model(model, checkpoint, mean=mean, std=std, n_classes=n_classes, seed=seed)
        return loaded.to(forward.device), forward, model
    if checkpoint is not None:
        raise LayerMixError("expected a module with its weights, got a checkpoint too; load it into the module first")
    weight = next(iter(model.parameters()), None)
    device = str(weight.device) if weight is not None else forward.device
    wrapped = Normalized(model, mean or (0.0,), std or (1.0,))
    wrapped.mean, wrapped.std = wrapped.mean.to(device), wrapped.std.to(device)
    wrapped.training = model.training
    return wrapped, replace(forward, device=device), type(model).__qualname__


def _least_classes(part: Part) -> int:
    return 0 if part.labels is None else int(part.labels.max()) + 1


def _code_digest(model: str | nn.Module) -> str:
    """The sha256 of the file that a model comes from."""
    if not isinstance(model, str) or model.startswith("timm:"):
        return ""
    return file_digest(Path(model if model.endswith(".pt2") else model.rpartition(":")[0]))


def _libraries(model: str | nn.Module) -> tuple[str, ...]:
    return ("torch", "timm") if isinstance(model, str) and model.startswith("timm:") else ("torch",)


def _with_classes(dataset: str, n_classes: int) -> str:
    """ImageNet with fewer classes is another dataset, as in the paper's table VIII."""
    return f"{dataset}-{n_classes}" if dataset == "imagenet" and n_classes != IMAGENET_CLASSES else dataset


def _probe(model: nn.Module, job: Job, forward: Forward) -> int:
    """Ask the model about the first images of a suite; return how many classes it has."""
    images = torch.from_numpy(job.images).permute(0, 3, 1, 2).float().div(255).to(forward.device)
    with evaluating(model), torch.inference_mode(), memory_faults(len(images)):
        outputs = forward.logits(model, images)
    check_outputs(outputs, len(images), job.first)
    return int(outputs.shape[1])


def _run_all(
    root: Path, signature: Signature, jobs: Mapping[str, Job], model: nn.Module, forward: Forward, progress: bool
) -> None:
    """Predict and save what is missing."""
    there = finished_parts(root, signature)
    steps = [(suite, part) for suite, job in jobs.items() for part in job.parts]
    todo = [(suite, part) for suite, part in steps if part not in there[suite]]
    done = len(steps) - len(todo)
    try:
        for suite, part in todo:
            job = jobs[suite]
            attacked = replace(job.attack, variant=part) if job.attack else None
            opened = job.open(part)
            title = f"{done + 1}/{len(steps)} {suite}" + (f" {part}" if part != suite else "")
            unit = "video" if opened.labels is None else "image"
            quiet = None if progress else True
            with tqdm(total=opened.total, desc=title, unit=unit, unit_scale=True, disable=quiet) as bar:
                said = predict(model, opened, forward, attacked=attacked, watch=bar.update)
            save_part(root, signature, suite, part, said)
            done += 1
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped with {done} of {len(steps)} parts finished; run the same command to resume"
        ) from None
