"""Images that were neither trained on nor are tested with: the temperature of a model's logits is fitted to them."""

from dataclasses import replace
from pathlib import Path

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.metrics.temperature import fit_temperature
from layermix_gen.evaluate.models.normalized import Normalized
from layermix_gen.evaluate.running.predicting import labelled_logits
from layermix_gen.evaluate.running.probing import probe
from layermix_gen.evaluate.running.run_options import Forward
from layermix_gen.evaluate.running.tasks import FIRST, SuiteTask
from layermix_gen.evaluate.suites import Data, Part, SuiteOptions, find_suite
from layermix_gen.evaluate.suites.batching import Images, as_size
from layermix_gen.evaluate.suites.file_stamps import stamp
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.text import as_text

DIGITS = 3  # of a temperature: other devices and batch sizes then give the same


def held_out_part(folder: Path, data: Data, options: SuiteOptions, tasks: dict[str, SuiteTask]) -> Part:
    """Open held-out images as the clean suite would be. Raises `LayerMixError` where they are that suite's own."""
    if not folder.exists():
        raise LayerMixError(f"expected held-out images at {as_text(folder)}, found nothing; check --held-out")
    source = find_suite("clean", replace(data, folders=data.folders | {"clean": folder}), options)
    [name] = source.parts
    files = stamp(source.folder, source.look(name))
    tested = {stamp for suite in ("clean", "pgd") if suite in tasks for stamp in tasks[suite].stamps.values()}
    if files in tested:
        raise LayerMixError(
            f"expected held-out images that are not tested with, got the clean suite, {as_text(folder)}; change "
            "--held-out"
        )
    part = source.open(name)
    size = _first(part).shape[1:3]
    if other := next((task.source.suite for task in tasks.values() if task.images.shape[1:3] != size), ""):
        tested_size = next(iter(tasks.values())).images.shape[1:3]
        raise LayerMixError(
            f"expected held-out images of {as_size(tested_size)}, as in {other}, found {as_size(size)}; make them alike"
        )
    return part


def temperature_for(part: Part, model: Normalized, forward: Forward, *, progress: bool) -> float:
    """The temperature of the logits that suits held-out images best, to three digits."""
    probe(model, [(part, _first(part))], forward)
    with progress_bar(part.total, "image", progress, desc="held-out", unit_scale=True) as bar:
        logits, labels = labelled_logits(model, part, forward, bar.update)
    return float(f"{fit_temperature(logits, labels):.{DIGITS}g}")


def _first(part: Part) -> Images:
    return next(part.batches(FIRST))[:FIRST]
