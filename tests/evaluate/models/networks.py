"""A network to load, images for it, and the loader with pixels as they are."""

from collections import OrderedDict

import torch
from torch import nn

from layermix_gen.evaluate.models import loading
from tests.evaluate.worlds import AS_THEY_ARE

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def load_model(spec, *given, **options):
    """The loaded model, which takes pixels as they are unless something else is said, or told by timm."""
    told = {} if str(spec).startswith("timm:") else AS_THEY_ARE
    return loading.load_model(spec, *given, **told | options)


def network():
    """A network that answers differently in training and in evaluation mode."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 4, 3),
            norm=nn.BatchNorm2d(4),
            drop=nn.Dropout(0.5),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            head=nn.Linear(4, 10),
        )
    )
