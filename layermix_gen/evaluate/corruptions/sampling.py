"""Draw some images of a test set, evenly from its classes."""

from collections import Counter

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import Item
from layermix_gen.support.checks import check_whole
from layermix_gen.support.seeds import shuffled


def draw_sample(items: list[Item], size: int | None, seed: int) -> list[Item]:
    """Draw `size` images by the seed, and return them in their order; None stands for all.

    Each class has at least one, and otherwise its share; a larger sample contains the smaller ones. Raises
    `LayerMixError` for fewer images than classes and for more than there are.
    """
    if size is None:
        return items
    sizes = Counter(item.label for item in items)
    check_whole("sample", size, 1, len(items))
    if size < len(sizes):
        raise LayerMixError(f"expected a sample of all {len(sizes)} classes, got {size} images; raise --sample")
    drawn: Counter[int] = Counter()
    order: list[tuple[float, int, int]] = []
    for place, number in enumerate(shuffled(len(items), seed).tolist()):
        label = items[number].label
        order.append((drawn[label] / sizes[label], place, number))
        drawn[label] += 1
    return [items[number] for number in sorted(number for _, _, number in sorted(order)[:size])]
