"""A run: one model over suites, part after part, into a folder of results.

Each part is saved when it is done, so a run that was stopped goes on after the last one. Everything that can be wrong
with the model or the data, and can be seen in no time, is looked for before hours are spent: each suite is searched for
its parts, and the model is asked about one image of each.
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
from layermix_gen.evaluate.forward import Forward, check_outputs, predict
from layermix_gen.evaluate.lists import PGD, SUITES
from layermix_gen.evaluate.models import Normalized, evaluating, load_model, weights_digest
from layermix_gen.evaluate.pgd import Attack
from layermix_gen.evaluate.results import Signature, Suite, begin_results, finished_parts, save_part
from layermix_gen.evaluate.suites import Data, Opening, Part, SuiteSource, complete, find_suite, locate

CALIBRATION = "calibration"  # computed from what the model says of the clean images and, if they are there, of C
CHOICES = (*SUITES, CALIBRATION)


@dataclass(frozen=True, slots=True)
class Job:
    """A suite to be evaluated: where it lies, its first part, and what is done there."""

    source: SuiteSource
    first: Part
    parts: tuple[str, ...]
    attack: Attack | None = None

    def open(self, part: str) -> Part:
        """Open a part. Raises `LayerMixError` where it has another number of images than the first one."""
        opened = self.source.open("clean" if self.attack else part)
        if opened.total != self.first.total:
            raise LayerMixError(
                f"expected {self.first.total} images in {self.source.folder / part} as in the other parts, found "
                f"{opened.total}; get the part again"
            )
        return opened

    def facts(self) -> Suite:
        """What the signature says of the suite."""
        part, options = self.first, asdict(self.attack) if self.attack else {}
        return Suite(
            images=part.total // len(part.severities),
            severities=part.severities,
            data=str(self.source.folder.resolve()),
            settings={"preprocessing": self.source.preprocessing}
            | {name: value for name, value in options.items() if name not in ("variant", "seed")},
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
    pgd: Sequence[str] = PGD[:1],
    progress: bool = True,
) -> Signature:
    """Evaluate a model on suites and keep what it says in `out`; return the signature of the results.

    `model` is what `load_model` takes, with its `checkpoint`, `mean` and `std`, or a module that takes normalized
    pixels (B, 3, H, W) and stays on its device and in its mode. `data` is what `locate` takes. `suites` are out of
    clean, c, cbar, r, p, pgd and calibration, by default all that there are data for but pgd. `pgd` are the variants of
    `attack`. The same call goes on where an earlier one was stopped, and adds suites. Raises `LayerMixError` for what
    the user can mend, `Interrupted` after Ctrl-C.
    """
    opening, attack, root = opening or Opening(), attack or Attack(), Path(out)
    located = locate(data)
    jobs = {name: _job(name, located, opening, attack, pgd) for name in chosen_suites(suites, located)}
    loaded, forward, name = _prepared(model, checkpoint, mean, std, forward or Forward(), jobs, attack.seed)
    n_classes = max(_probe(loaded, job, forward) for job in jobs.values())
    signature = begin_results(
        root,
        Signature(
            model=name,
            checkpoint=str(checkpoint or ""),
            checkpoint_sha256=weights_digest(loaded),
            checkpoint_rule=checkpoint_rule,
            dataset=located.dataset,
            scale=located.scale,
            n_classes=n_classes,
            preprocessing=f"{opening.preprocessing if located.scale == 'imagenet' else 'none'}, {loaded.normalization}",
            precision=forward.precision,
            seed=attack.seed,
            versions={"layermix-gen": __version__, "torch": version("torch")},
            suites={name: job.facts() for name, job in jobs.items()},
        ),
    )
    _run_all(root, signature, jobs, loaded, forward, progress)
    return signature


def chosen_suites(names: Sequence[str], data: Data) -> tuple[str, ...]:
    """The suites to evaluate, in their order. Raises `LayerMixError` for unknown ones and those without data."""
    if unknown := [name for name in names if name not in CHOICES]:
        raise LayerMixError(f"expected suites out of {', '.join(CHOICES)}, got {unknown[0]!r}; change --suites")
    wanted = set(names) or set(data.folders)
    if CALIBRATION in wanted:
        wanted.add("clean")
    for name in SUITES:
        folder = "clean" if name == "pgd" else name
        if name in wanted and folder not in data.folders:
            raise LayerMixError(
                f"expected data for the suite {name}, got {', '.join(data.folders)} alone; "
                f"add --data {folder}=DIR, or leave {name} out"
            )
    return tuple(name for name in SUITES if name in wanted)


def _job(name: str, data: Data, opening: Opening, attack: Attack, pgd: Sequence[str]) -> Job:
    source = complete(find_suite("clean" if name == "pgd" else name, data, opening))
    for part in source.parts:
        source.look(part)
    parts = source.parts
    if name == "pgd":
        parts = tuple(variant for variant in PGD if variant in {replace(attack, variant=one).variant for one in pgd})
    return Job(source, source.open(source.parts[0]), parts, attack if name == "pgd" else None)


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


def _probe(model: nn.Module, job: Job, forward: Forward) -> int:
    """Ask the model about one image of a suite; return how many classes it has."""
    pixels = next(job.first.pieces(1))[:1]
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(255).to(forward.device)
    with evaluating(model), torch.inference_mode():
        try:
            outputs = forward.logits(model, images)
        except Exception as error:  # of the user's code
            reason = (str(error).splitlines() or [""])[0]
            raise LayerMixError(
                f"the model failed on an image {tuple(images.shape)} of {job.source.folder}: {type(error).__name__}: "
                f"{reason}; give a model for such images, and for any number of them"
            ) from error
    check_outputs(outputs, 1, job.first)
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
