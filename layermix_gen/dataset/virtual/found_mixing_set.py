"""Find the mixing set that a dataset was built with, wherever it is by now."""

from contextlib import suppress
from pathlib import Path

from layermix_gen.dataset.dataset_files import DatasetFiles
from layermix_gen.dataset.names import ABOUT_MIXING_SET, MIXING_SET
from layermix_gen.dataset.plan import MixingSetFacts
from layermix_gen.dataset.settings import BuildSettings
from layermix_gen.errors import LayerMixError
from layermix_gen.mixing_sets.mixing_set import MixingSet, open_mixing_set
from layermix_gen.mixing_sets.provision import is_rendered_here, resolve_mixing_set


def found_mixing_set(files: DatasetFiles, settings: BuildSettings, facts: MixingSetFacts, remedy: str) -> MixingSet:
    """The set that `facts` of a plan tell of; where it is gone, fractals are rendered again from their seed.

    Raises `LayerMixError` with what to do, the `remedy`, where there is none with the same digest.
    """
    found = []
    try:
        known = _where_it_was(files, facts)
        if known.digest == facts.digest:
            return known
        found.append(f"found another there, {known.digest[:12]}...")
    except LayerMixError as error:
        found.append(_reason(error))
    place = Path(facts.location)
    if facts.location == MIXING_SET:
        place = files.folder / MIXING_SET
        with suppress(LayerMixError):  # which says how it was made
            files.fetch([ABOUT_MIXING_SET])
    if is_rendered_here(place, facts.count, settings.mixed_side, settings.seed):
        again = resolve_mixing_set(None, settings.mixed_side, settings.seed, count=facts.count)
        if again.digest == facts.digest:
            return again
        found.append(f"from its seed, this machine renders another, {again.digest[:12]}...")
    raise LayerMixError(
        f"expected the mixing set {facts.location} of the dataset, with the digest {facts.digest[:12]}...: "
        f"{'; '.join(found)}; {remedy}"
    )


def _where_it_was(files: DatasetFiles, facts: MixingSetFacts) -> MixingSet:
    if facts.location == MIXING_SET:
        return open_mixing_set(files.fetch([MIXING_SET])[0])
    return open_mixing_set(facts.location)


def _reason(error: LayerMixError) -> str:
    """Why a set cannot be opened, without what was expected and what to do: `nothing is there`."""
    text = str(error).partition("; ")[0]
    return text.partition(", but ")[2] or ("nothing is there" if text.endswith(", found nothing") else text)
