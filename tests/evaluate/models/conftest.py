"""Fixture of an exported network."""

import pytest
import torch

from tests.evaluate.models.networks import IMAGES, network


@pytest.fixture
def exported(tmp_path):
    """An exported network that takes any number of images; its path and what it was made of."""
    model = network().eval()
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.export.export(model, (IMAGES[:2],), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "net.pt2")
    return tmp_path / "net.pt2", model
