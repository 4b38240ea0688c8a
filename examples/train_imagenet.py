"""Fine-tune timm's ResNet-50 on ImageNet shards with the paper's settings.

    layermix-gen build path/to/imagenet/train shards
    layermix-gen build path/to/imagenet/val val --variants 0 --view center
    torchrun --nproc-per-node 8 train_imagenet.py shards --test val

Without stored variants, the clean plane is mixed anew in each epoch; with whole images, the crops are new, too:

    layermix-gen build path/to/imagenet/train whole --variants 0 --view source --size 256 --quality 90
    torchrun --nproc-per-node 8 train_imagenet.py whole --test val --fresh --view rrc

90 epochs of SGD with Nesterov's momentum from pretrained weights, weight decay 5e-4, rate 0.01 falling as a cosine,
batches of 256. If it is stopped, run the same command again: it continues where it was.
"""

import argparse
from pathlib import Path

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
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
    parser.add_argument("--model", default="resnet50", help="any of timm's")
    parser.add_argument("--from-scratch", action="store_true", help="do not begin with pretrained weights")
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--batch-size", type=int, default=256, help="of all ranks together")
    parser.add_argument("--rate", type=float, default=0.01)
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
    parser.add_argument("--view", help="how shards of whole images are cropped, with --fresh: rrc")
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
        epochs=options.epochs,
        batch_size=options.batch_size,
        rate=options.rate,
        weight_decay=5e-4,
        soft_labels=options.soft_labels,
        jsd=options.jsd,
        outliers=options.outliers,
        seed=options.seed,
        mean=IMAGENET_DEFAULT_MEAN,
        std=IMAGENET_DEFAULT_STD,
        save_every=options.save_every,
        out=options.out,
        fresh=options.fresh,
        mix=options.mix,
        view=options.view,
    )

    def make(classes: int) -> tuple[nn.Module, str]:
        model = timm.create_model(options.model, pretrained=not options.from_scratch, num_classes=classes)
        return model, f"timm:{options.model}"

    train(make, options.shards, options.test, recipe)


if __name__ == "__main__":
    main()
