"""A model is put into evaluation mode, and left as it was."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.models.eval_mode import evaluating
from tests.evaluate.models.networks import IMAGES, network


def test_a_model_is_left_as_it_was():
    model = network().train()
    model.norm.eval()
    model.head.weight.requires_grad_(False)
    flags = [module.training for module in model.modules()]
    gradients = [weight.requires_grad for weight in model.parameters()]
    statistics = model.norm.running_mean.clone()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
        assert not any(weight.requires_grad for weight in model.parameters())
        model(IMAGES)
    assert [module.training for module in model.modules()] == flags
    assert [weight.requires_grad for weight in model.parameters()] == gradients
    assert torch.equal(model.norm.running_mean, statistics)
    with pytest.raises(ValueError, match="stop"), evaluating(model):
        raise ValueError("stop")
    assert [module.training for module in model.modules()] == flags


def test_a_model_that_stays_in_training_mode_is_refused():
    class Stubborn(nn.Dropout):
        def train(self, mode=True):
            self.training = True
            return self

    model = nn.Sequential(OrderedDict(body=Stubborn()))
    with pytest.raises(LayerMixError, match="found body in training mode"), evaluating(model):
        pass


def test_own_ways_of_changing_mode_are_used():
    class Merging(nn.Linear):
        merged = False

        def train(self, mode=True):
            self.merged = not mode
            return super().train(mode)

    model = nn.Sequential(Merging(2, 2))
    with evaluating(model):
        assert model[0].merged
    assert not model[0].merged
    assert model[0].training
