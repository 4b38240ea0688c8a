"""The digest of weights is of their names and values, and of what is no tensor too."""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from layermix_gen.evaluate.models.weights import weights_digest
from tests.evaluate.models.networks import network


def test_the_digest_is_of_names_and_values():
    model = network()
    before = weights_digest(model)
    with torch.no_grad():
        model.norm.running_var[2] += np.float32(1e-6)
    assert weights_digest(model) != before


def test_the_digest_is_of_names():
    with torch.random.fork_rng():
        first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    one, other = (nn.Sequential(OrderedDict([(name, first), ("z", second)])) for name in "ab")
    assert weights_digest(one) != weights_digest(other)


def test_the_digest_is_of_what_is_no_tensor_too():
    """The packed weights of quantized layers, for example, are no tensors."""

    class Packed(nn.Linear):
        packed = 1.0

        def get_extra_state(self):
            return {"packed": (torch.full((3000,), self.packed), "scale")}

    one, other = Packed(2, 2), Packed(2, 2)
    other.load_state_dict(one.state_dict() | {"_extra_state": None}, strict=False)
    assert weights_digest(one) == weights_digest(other)
    other.packed = 1.5
    assert weights_digest(one) != weights_digest(other)
