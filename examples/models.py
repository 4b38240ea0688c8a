"""The networks of the CIFAR experiments, for images of about 32 px: wide residual networks, ResNet-18, ResNeXt-29."""

import re

import torch.nn.functional as F
from torch import Tensor, nn


def make_model(name: str, classes: int) -> nn.Module:
    """`wrn-40-4` or any other `wrn-DEPTH-WIDTH`, `resnet-18`, `resnext-29` (32 groups of 4), or `resnet-8-WIDTH`.

    The last is for trainings on a CPU: its stem halves the image, and each of its three stages has one block.
    """
    if match := re.fullmatch(r"wrn-(\d+)-(\d+)", name):
        return WideResNet(int(match[1]), int(match[2]), classes)
    if match := re.fullmatch(r"resnet-8-(\d+)", name):
        return ResNet(BasicBlock, (1, 1, 1), int(match[1]), classes, stem_stride=2)
    if name == "resnet-18":
        return ResNet(BasicBlock, (2, 2, 2, 2), 64, classes)
    if name == "resnext-29":
        return ResNet(GroupedBlock, (3, 3, 3), 64, classes)
    raise SystemExit(f"expected a model like wrn-40-4, resnet-18, resnext-29 or resnet-8-16, got {name!r}")


class PreactivatedBlock(nn.Module):
    """Normalization and rectification before each of two convolutions (He et al. 2016), with dropout between them."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.dropout = dropout
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        ready = F.relu(self.norm1(x))
        y = F.relu(self.norm2(self.conv1(ready)))
        y = self.conv2(F.dropout(y, self.dropout, self.training))
        return y + (self.shortcut(ready) if self.shortcut else x)


class WideResNet(nn.Module):
    """Zagoruyko and Komodakis 2016; `depth` is 6 n + 4."""

    def __init__(self, depth: int, width: int, classes: int, dropout: float = 0.3) -> None:
        super().__init__()
        if depth % 6 != 4:
            raise SystemExit(f"expected a depth of 6 n + 4, like 40 or 28, got {depth}")
        blocks, channels = [], 16
        for stage, outputs in enumerate((16 * width, 32 * width, 64 * width)):
            for number in range((depth - 4) // 6):
                stride = 2 if stage and not number else 1
                blocks.append(PreactivatedBlock(channels, outputs, stride, dropout))
                channels = outputs
        self.stem = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.blocks = nn.Sequential(*blocks)
        self.norm, self.head = nn.BatchNorm2d(channels), nn.Linear(channels, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to logits (B, classes)."""
        return self.head(F.relu(self.norm(self.blocks(self.stem(x)))).mean((2, 3)))


class BasicBlock(nn.Module):
    """Two convolutions of 3x3 (He et al. 2015)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*convolution(inputs, width, 3, stride), nn.ReLU(), *convolution(width, width, 3))
        self.shortcut = nn.Sequential(*convolution(inputs, width, 1, stride)) if stride > 1 or inputs != width else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, width, H / stride, W / stride)."""
        return F.relu(self.body(x) + (self.shortcut(x) if self.shortcut else x))


class GroupedBlock(BasicBlock):
    """A bottleneck with 32 groups of 4 channels at the first stage (Xie et al. 2017)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        nn.Module.__init__(self)
        inner, outputs = 2 * width, 4 * width
        self.body = nn.Sequential(
            *convolution(inputs, inner, 1),
            nn.ReLU(),
            *convolution(inner, inner, 3, stride, groups=32),
            nn.ReLU(),
            *convolution(inner, outputs, 1),
        )
        changes = stride > 1 or inputs != outputs
        self.shortcut = nn.Sequential(*convolution(inputs, outputs, 1, stride)) if changes else None


class ResNet(nn.Module):
    """A stem, which keeps the size unless it has a stride, then stages of blocks.

    Each stage has twice the width and half the size of the last.
    """

    def __init__(
        self, block: type[BasicBlock], stages: tuple[int, ...], width: int, classes: int, stem_stride: int = 1
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [*convolution(3, width, 3, stem_stride), nn.ReLU()]
        channels = width
        for stage, count in enumerate(stages):
            for number in range(count):
                layers.append(block(channels, width << stage, 2 if stage and not number else 1))
                channels = block.expansion * (width << stage)
        self.body, self.head = nn.Sequential(*layers), nn.Linear(channels, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to logits (B, classes)."""
        return self.head(self.body(x).mean((2, 3)))


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> tuple[nn.Module, nn.Module]:
    """A convolution that keeps the size but for its stride, and its normalization."""
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(outputs)


def initialize(model: nn.Module) -> None:
    """He's initialization of the convolutions; biases are 0."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
