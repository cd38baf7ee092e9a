import torch
from harness import assert_same, normal, randomize
from torchvision.models.swin_transformer import PatchMerging as OfficialMerging

from denoise.layers.patch_merging import PatchMerging


def test_patch_merging_is_swins():
    official = randomize(OfficialMerging(6)).double()
    ours = PatchMerging(6).double()
    ours.norm.load_state_dict(official.norm.state_dict())
    weight = official.reduction.weight.detach()
    ours.reduction.weight.data.copy_(weight[:, :, None, None])

    def theirs(x):
        weights = {"reduction.weight": ours.reduction.weight[:, :, 0, 0]}
        weights |= {f"norm.{name}": p for name, p in ours.norm.named_parameters()}
        out = torch.func.functional_call(official, weights, x.permute(0, 2, 3, 1))
        return out.permute(0, 3, 1, 2)

    own = dict(ours.named_parameters())
    assert_same((ours, own), (theirs, own), normal(2, 6, 8, 12))
