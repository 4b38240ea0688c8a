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

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn
from training import errors_in_one_line, train
from training_options import recipe_of, training_parser


@errors_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Read the command line and train."""
    parser = training_parser(__doc__, views="rrc", batch_size=256, rate=0.01)
    parser.add_argument("--model", default="resnet50", help="any of timm's")
    parser.add_argument("--from-scratch", action="store_true", help="do not begin with pretrained weights")
    parser.add_argument("--epochs", type=int, default=90, help="default: %(default)s")
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)

    def make(classes: int) -> tuple[nn.Module, str]:
        model = timm.create_model(options.model, pretrained=not options.from_scratch, num_classes=classes)
        return model, f"timm:{options.model}"

    recipe = recipe_of(options, options.epochs, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    train(make, options.shards, options.test, recipe)


if __name__ == "__main__":
    main()
