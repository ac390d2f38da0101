import numpy as np
import torch
from monai.transforms import Compose, RandGaussianNoised

from monai_unet.training import EpochSampler, SeededDataset, training_loader


def _dataset(seed=0):
    cases = [{"image": torch.full((1, 2, 2, 2), float(i))} for i in range(7)]
    return SeededDataset(cases, Compose([RandGaussianNoised("image", prob=0.5, std=1.0)]), seed=seed)


def _epoch(loader, epoch):
    loader.sampler.epoch = epoch
    return torch.cat([batch["image"] for batch in loader])


def test_samples_do_not_depend_on_the_number_of_workers():
    alone = training_loader(_dataset(), batch_size=2)
    helped = training_loader(_dataset(), batch_size=2, num_workers=2)
    for epoch in (1, 2):
        assert torch.equal(_epoch(alone, epoch), _epoch(helped, epoch))


def test_epochs_and_seeds_differ():
    first = training_loader(_dataset(), batch_size=2)
    assert not torch.equal(_epoch(first, 1), _epoch(first, 2))
    assert not torch.equal(_epoch(first, 1), _epoch(training_loader(_dataset(seed=1), batch_size=2), 1))


def test_skipping_gives_the_rest_of_the_same_epoch():
    loader = training_loader(_dataset(), batch_size=2)
    whole = _epoch(loader, 3)
    loader.sampler.skip = 2
    assert torch.equal(_epoch(loader, 3), whole[2:])
    assert torch.equal(_epoch(loader, 3), whole)


def test_ranks_share_an_epoch_without_overlap():
    keys = []
    for rank in (0, 1):
        sampler = EpochSampler(7, num_replicas=2, rank=rank)
        keys.append([index for _, index in sampler])
    assert len(keys[0]) == len(keys[1]) == 3
    assert len(set(np.concatenate(keys))) == 6
