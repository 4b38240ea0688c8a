"""What the training examples take on their command lines, and the recipe that it makes."""

import argparse
from pathlib import Path

from training import Recipe

from layermix_gen.evaluate.losses import JSD_WEIGHT
from layermix_gen.support.checks import check_number


def training_parser(description: str | None, *, views: str, batch_size: int, rate: float) -> argparse.ArgumentParser:
    """A parser of what all examples take, with these defaults. `views` are those of whole images."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", help="the dataset to train on: a folder or a URL")
    parser.add_argument("--test", help="a dataset whose clean plane is the test set")
    parser.add_argument("--out", type=Path, default=Path("run"), help="where checkpoint and log go")
    parser.add_argument(
        "--batch-size", type=int, default=batch_size, help="of all ranks together; default: %(default)s"
    )
    parser.add_argument("--rate", type=float, default=rate, help="the learning rate at first; default: %(default)s")
    parser.add_argument("--soft-labels", action="store_true", help="of both images that mixup and cutmix have mixed")
    parser.add_argument("--jsd", action="store_true", help="learn from triples, with the Jensen-Shannon loss")
    parser.add_argument("--jsd-weight", type=float, help=f"the same, with another weight than {JSD_WEIGHT:.0f}")
    parser.add_argument("--fresh", action="store_true", help="mix the clean plane anew in each epoch, while it is read")
    parser.add_argument("--mix", help="the method of --fresh; default: that of the dataset")
    parser.add_argument("--view", help=f"how shards of whole images are cropped, with --fresh: {views}")
    parser.add_argument(
        "--outliers",
        default="",
        help="outlier exposure: `fractals`, a mixing set, or a folder of pictures of no class",
    )
    parser.add_argument("--in-memory", action="store_true", help="decode all samples once, and keep them in memory")
    parser.add_argument("--compile", action="store_true", help="train a compiled network, which needs a C++ compiler")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=500, help="steps between checkpoints")
    return parser


def recipe_of(options: argparse.Namespace, epochs: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Recipe:
    """The recipe that the options ask for, with the paper's weight decay. Raises `LayerMixError` for a wrong weight."""
    weight = options.jsd_weight if options.jsd_weight is not None else JSD_WEIGHT if options.jsd else 0.0
    check_number("jsd_weight", weight, 0, 1e6)
    return Recipe(
        epochs=epochs,
        batch_size=options.batch_size,
        rate=options.rate,
        weight_decay=5e-4,
        soft_labels=options.soft_labels,
        jsd=weight,
        outliers=options.outliers,
        seed=options.seed,
        mean=mean,
        std=std,
        save_every=options.save_every,
        out=options.out,
        in_memory=options.in_memory,
        compiled=options.compile,
        fresh=options.fresh,
        mix=options.mix,
        view=options.view,
    )
