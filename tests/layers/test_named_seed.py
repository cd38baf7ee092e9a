import torch

from denoise.layers.named_seed import named_seed


def draw(seed, name):
    with named_seed(seed, name):
        return torch.rand(4)


def test_names_and_seeds_draw_their_own_numbers():
    drawn = [draw(seed, name) for seed in (0, 1) for name in ("a", "b")]
    for i, one in enumerate(drawn):
        assert all(torch.equal(one, other) == (i == j) for j, other in enumerate(drawn))
    torch.rand(9)
    assert torch.equal(draw(0, "a"), drawn[0])


def test_the_generator_goes_on_as_if_nothing_had_been_drawn():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    draw(0, "a")
    assert torch.equal(torch.rand(2), expected)
