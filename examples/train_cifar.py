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

import models
import torch
from models import make_model
from torch import nn
from training import errors_in_one_line, train
from training_options import recipe_of, training_parser


@errors_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Read the command line and train."""
    parser = training_parser(__doc__, views="pad-crop", batch_size=128, rate=0.1)
    parser.add_argument("--model", default="wrn-40-4", help="wrn-40-4, wrn-28-10, resnet-18 or resnext-29")
    parser.add_argument("--epochs", type=int, help="default: 100 for wrn, 200 for the others")
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)
    epochs = options.epochs or (100 if options.model.startswith("wrn") else 200)

    def make(classes: int) -> tuple[nn.Module, str]:
        return make_model(options.model, classes), f"{models.__file__}:make_model({options.model}, {classes})"

    train(make, options.shards, options.test, recipe_of(options, epochs, mean=(0.5,), std=(0.5,)))


if __name__ == "__main__":
    main()
