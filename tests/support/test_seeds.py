"""Random generators: what each draws depends on its key alone, in this version as in those before it.

Stored recipes and corrupted images were made from these numbers: where a test fails here, mend the code, not the test.
"""

from threading import Event, Thread
from typing import Any, cast

import numpy as np
import pytest
from scipy import stats

from layermix_gen.support import seeds
from layermix_gen.support.seeds import BLOCK, KeyedRandom, corruption_generator, generator, shuffled

NO_UTF8 = "caf\udce9/ü.png"  # the name of a file, as Python reads it


@pytest.mark.parametrize(
    ("key", "numbers", "first", "second"),
    [
        ((0, "a.jpg", 0), [521, 38, 167], 0.038879710836774994, 0.40219312537632657),
        ((0, "a.jpg", 1), [974, 90, 421], 0.09064088947469695, 0.9786052807283813),
        ((0, "a.jpg", -1), [730, 928, 316], 0.9280770369177247, 0.9336266553299933),
        ((2**63 - 1, NO_UTF8, 7), [64, 329, 216], 0.32920786041410666, 0.13017021892971314),
    ],
)
def test_the_draws_of_a_variant_never_change(
    key: tuple[int, str, int], numbers: list[int], first: float, second: float
) -> None:
    assert generator(*key).integers(0, 1000, 3).tolist() == numbers
    assert generator(*key).random(2).tolist() == [first, second]


@pytest.mark.parametrize(
    ("key", "numbers", "first", "second"),
    [
        ((0, "a.jpg", "fog", 1), [765, 80, 147], 0.08059675147886336, 0.15096475606491244),
        ((5, NO_UTF8, "snow", 5), [91, 918, 882], 0.9180040843998721, 0.6190332353306763),
    ],
)
def test_the_draws_of_a_corruption_never_change(
    key: tuple[int, str, str, int], numbers: list[int], first: float, second: float
) -> None:
    assert corruption_generator(*key).integers(0, 1000, 3).tolist() == numbers
    assert corruption_generator(*key).random(2).tolist() == [first, second]


def test_each_part_of_a_key_changes_the_draws() -> None:
    variants = [
        (0, "a.jpg", 0),
        (1, "a.jpg", 0),
        (0, "b.jpg", 0),
        (0, "a.jpg", 1),
        (1, "1\na.jpg", 1),  # parts that would be alike if they were only put together
        (11, "a.jpg", 1),
        (1, "a.jpg", 11),
        (0, "caf\udce9", 0),
        (0, "café", 0),
    ]
    corruptions = [(0, "a.jpg", "fog", 1), (1, "a.jpg", "fog", 1), (0, "b.jpg", "fog", 1), (0, "a.jpg", "snow", 1)]
    corruptions.append((0, "a.jpg", "fog", 2))
    drawn = {generator(*key).random() for key in variants} | {
        corruption_generator(*key).random() for key in corruptions
    }
    assert len(drawn) == len(variants) + len(corruptions)


def test_generators_share_no_state() -> None:
    alone = generator(0, "a.jpg", 0).random(4).tolist()
    ours, others = generator(0, "a.jpg", 0), [generator(0, "a.jpg", 0), corruption_generator(0, "a.jpg", "fog", 1)]
    drawn = []
    for _ in range(4):
        drawn.append(ours.random())
        for other in others:
            other.random(3)
    assert drawn == alone


@pytest.mark.parametrize("key", [(0, "a.jpg", 0), (2**63 - 1, NO_UTF8, -1)])
def test_keyed_numbers_are_those_of_the_generator(key: tuple[int, str, int]) -> None:
    """Of several blocks, and while another is made and drawn from in between."""
    ours, drawn = KeyedRandom(*key), []
    for _ in range(3 * BLOCK + 5):
        drawn.append(ours.random())
        KeyedRandom(0, "another", 1).random()
    assert drawn == generator(*key).random(3 * BLOCK + 5).tolist()


def test_other_distributions_of_a_key_do_not_depend_on_its_uniform_numbers() -> None:
    ours, other = KeyedRandom(0, "a.jpg", 0), KeyedRandom(0, "a.jpg", 0)
    uniform = [ours.random() for _ in range(1000)]
    betas = np.array([ours.beta(0.2, 0.2) for _ in range(1000)])
    assert betas.tolist() == [other.beta(0.2, 0.2) for _ in range(1000)]
    assert stats.kstest(betas, stats.beta(0.2, 0.2).cdf).pvalue > 1e-4
    assert stats.pearsonr(betas, uniform).pvalue > 1e-4
    assert ours.dirichlet([1.0, 1.0]).tolist() == other.dirichlet([1.0, 1.0]).tolist()


@pytest.mark.parametrize(
    ("seed", "order"),
    [
        (0, [5, 0, 6, 1, 7, 2, 4, 3]),
        (1, [0, 5, 4, 1, 2, 6, 3, 7]),
        (2**63 - 1, [6, 7, 3, 1, 4, 5, 0, 2]),
    ],
)
def test_the_order_of_a_seed_never_changes(seed: int, order: list[int]) -> None:
    assert shuffled(8, seed).tolist() == order


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_each_number_is_in_the_order_once(count: int) -> None:
    assert sorted(shuffled(count, 5)) == list(range(count))


class _Waiting:
    """A generator that waits in the midst of drawing."""

    def __init__(self, begun: Event, go_on: Event) -> None:
        self._generator, self._begun, self._go_on = np.random.Generator(np.random.Philox(key=0)), begun, go_on
        self.bit_generator = self._generator.bit_generator

    def random(self, count: int) -> Any:
        self._begun.set()
        assert self._go_on.wait(20)
        return self._generator.random(count)


def test_a_thread_in_the_midst_of_drawing_keeps_no_other_from_it() -> None:
    """Nor does it a process that is forked at this moment, in which that thread does not go on."""
    expected, drawn = seeds._block(bytes(16), 0), list[list[float]]()
    begun, go_on = Event(), Event()

    def draw() -> None:
        seeds._REUSED.generator = cast("np.random.Generator", _Waiting(begun, go_on))
        drawn.append(seeds._block(bytes(16), 0))

    thread = Thread(target=draw)
    thread.start()
    assert begun.wait(20)
    assert seeds._block(bytes(16), 1) != expected == seeds._block(bytes(16), 0)
    go_on.set()
    thread.join()
    assert drawn == [expected]
