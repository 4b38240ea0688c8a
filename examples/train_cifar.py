"""Train a network on CIFAR-like shards with the paper's settings.

    layermix-gen build path/to/cifar-10 shards --view-mode shared
    layermix-gen build path/to/cifar-10 test --kind auto:test --variants 0 --view center
    python train_cifar.py shards --test test --jsd
    torchrun --nproc-per-node 4 train_cifar.py shards --test test --jsd

Without stored variants, the clean plane is mixed anew in each epoch; with whole images, the crops are new, too:

    layermix-gen build path/to/cifar-10 clean --variants 0 --view source
    python train_cifar.py clean --test test --jsd --fresh --view pad-crop

100 epochs for the wide networks, 200 for the others; SGD with Nesterov's momentum, weight decay 5e-4, rate 0.1 falling
as a cosine, batches of 128. If it is stopped, run the same command again: it continues where it was.
"""

import argparse
from pathlib import Path

import models
import torch
from models import make_model
from torch import nn
from training import Recipe, errors_in_one_line, train

from layermix_gen.evaluate.losses import JSD_WEIGHT


@errors_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", help="the dataset to train on: a folder or a URL")
    parser.add_argument("--test", help="a dataset whose clean plane is the test set")
    parser.add_argument("--out", type=Path, default=Path("run"), help="where checkpoint and log go")
    parser.add_argument("--model", default="wrn-40-4", help="wrn-40-4, wrn-28-10, resnet-18 or resnext-29")
    parser.add_argument("--epochs", type=int, help="default: 100 for wrn, 200 for the others")
    parser.add_argument("--batch-size", type=int, default=128, help="of all ranks together")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--soft-labels", action="store_true", help="of both images that mixup and cutmix have mixed")
    parser.add_argument(
        "--jsd",
        nargs="?",
        type=float,
        const=JSD_WEIGHT,
        default=0.0,
        metavar="WEIGHT",
        help=f"learn from triples, with the Jensen-Shannon loss, of this weight; default: {JSD_WEIGHT:.0f}",
    )
    parser.add_argument("--fresh", action="store_true", help="mix the clean plane anew in each epoch, while it is read")
    parser.add_argument("--mix", help="the method of --fresh; default: that of the dataset")
    parser.add_argument("--view", help="how shards of whole images are cropped, with --fresh: pad-crop")
    parser.add_argument(
        "--outliers",
        default="",
        help="outlier exposure: `fractals`, a mixing set, or a folder of pictures of no class",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=500, help="steps between checkpoints")
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)
    recipe = Recipe(
        epochs=options.epochs or (100 if options.model.startswith("wrn") else 200),
        batch_size=options.batch_size,
        rate=options.rate,
        weight_decay=5e-4,
        soft_labels=options.soft_labels,
        jsd=options.jsd,
        outliers=options.outliers,
        seed=options.seed,
        mean=(0.5,),
        std=(0.5,),
        save_every=options.save_every,
        out=options.out,
        fresh=options.fresh,
        mix=options.mix,
        view=options.view,
    )

    def make(classes: int) -> tuple[nn.Module, str]:
        return make_model(options.model, classes), f"{models.__file__}:make_model({options.model}, {classes})"

    train(make, options.shards, options.test, recipe)


if __name__ == "__main__":
    main()
