"""AugMix (Hendrycks et al., ICLR 2020, arXiv 1912.02781), as its published code has it: a mean of chains of operations.

    (1 - m) image + m (w1 chain1 + w2 chain2 + w3 chain3)

Each chain applies one to three operations to the image. The weights w are drawn from Dirichlet(alpha), and m from
Beta(alpha, alpha). The defaults of severity are those of the authors' code for CIFAR up to 64 px, and for ImageNet
above. Their loss (Jensen-Shannon) compares the clean view with two variants of it: build with `--view-mode shared`.

What differs from their code: each mean rounds to whole levels, where theirs takes one mean of floats; shears are about
the centre of the image, theirs about its corner; weights and shears keep four decimals; and autocontrast, color and
contrast compute as torchvision does, within a few levels of Pillow.
"""

from dataclasses import dataclass

from layermix_gen.mixing.methods.base import Draft, DrawSettings, Recipe, Shares, even
from layermix_gen.mixing.methods.chains import OperationOptions, augment, mean_of_chains, strengths_of
from layermix_gen.mixing.methods.option_fields import number, whole
from layermix_gen.mixing.recipe import IMAGE, Expression
from layermix_gen.support.seeds import Random

DEEPEST = 3  # operations in a chain of drawn depth


@dataclass(frozen=True, slots=True)
class AugMixOptions(OperationOptions):
    """The options of AugMix; the defaults are those of its published code."""

    width: int = whole(3, 1, 8, "How many chains are mixed.")
    depth: int | None = whole(None, 1, 16, f"Operations in each chain; default: drawn from 1 to {DEEPEST} for each.")
    alpha: float = number(1, 0.01, 100, "Parameter of the distributions of the weights, Dirichlet and beta.")

    @property
    def most(self) -> tuple[int, int]:
        return self.width * (self.depth or DEEPEST), 1


def shares(settings: DrawSettings) -> Shares:
    """Return how often `draw` makes each choice."""
    return Shares(ops=even(settings.options.ops), blends={"mean": 1.0}, strengths=strengths_of(settings))


def draw(rng: Random, settings: DrawSettings) -> Recipe:
    """Draw one recipe."""
    options: AugMixOptions = settings.options
    draft = Draft()

    def chain() -> Expression:
        x: Expression = IMAGE
        for _ in range(options.depth or 1 + int(rng.random() * DEEPEST)):
            x = augment(rng, draft, x, settings)
        return x

    return draft.recipe("augmix", mean_of_chains(rng, draft, options.width, options.alpha, chain))
