"""timm imports torchvision, and a torchvision made for GPUs does not import with a torch made for the CPU.

It looks for two operators of its own, which are in a library that cannot be loaded there. They are declared here; none
of them is called.
"""

import torch

_library: list[torch.library.Library] = []


def allow_timm() -> None:
    """Make `import timm` work."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _library.append(library)
