"""Find the temperature of a model's logits: the one that calibrates its confidences on held-out images."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.arguments import check_type
from layermix_gen.evaluate.metrics.temperature import fit_temperature
from layermix_gen.evaluate.running.predicting import labelled_logits
from layermix_gen.evaluate.running.prepared_model import prepare_model
from layermix_gen.evaluate.running.probing import probe
from layermix_gen.evaluate.running.run_options import Forward
from layermix_gen.evaluate.running.tasks import FIRST
from layermix_gen.evaluate.suites import SuiteOptions, find_suite, locate
from layermix_gen.support.checks import as_path
from layermix_gen.support.progress import progress_bar
from layermix_gen.support.text import as_text


def find_temperature(
    model: str | nn.Module,
    held_out: str | Path,
    *,
    checkpoint: str | Path | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    suite_options: SuiteOptions | None = None,
    forward: Forward | None = None,
    progress: bool = True,
) -> float:
    """The temperature for `Forward` that calibrates a model best on labelled images; `fit_temperature` has the formula.

    `held_out` is read as the suite clean is (of CIFAR or a file of arrays, the test split). These images must be
    neither trained on nor tested with. `model`, `checkpoint`, `mean` and `std` are what `run` takes. The temperature of
    `forward` does not matter. Raises `LayerMixError` for what the user can mend.
    """
    suite_options, forward = suite_options or SuiteOptions(), forward or Forward()
    for name, value, kind in (
        ("suite_options", suite_options, SuiteOptions),
        ("forward", forward, Forward),
        ("progress", progress, bool),
    ):
        check_type(name, value, kind)
    place = as_path(held_out, "held-out images")
    if not place.exists():
        raise LayerMixError(f"expected held-out images at {as_text(place)}, found nothing; check the path")
    source = find_suite("clean", locate({"clean": place}), suite_options)
    part = source.open(source.parts[0])
    loaded, forward, _ = prepare_model(model, checkpoint, mean, std, forward, [part])
    probe(loaded, [(part, next(part.batches(FIRST))[:FIRST])], forward)
    with progress_bar(part.total, "image", progress, desc="held-out", unit_scale=True) as bar:
        logits, labels = labelled_logits(loaded, part, forward, bar.update)
    return fit_temperature(logits, labels)
