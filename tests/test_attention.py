"""The contract of every attention, whatever is in configs/attention."""

from pathlib import Path

import pytest
import torch
from conftest import ROOT, make, options, randomize

NAMES = options("attention")
SIZES = [(1, 1), (3, 5), (7, 9), (8, 8), (13, 16), (17, 6), (64, 40)]


def mixers(name, dim=16, num_heads=2, index=1):
    """The mixers that a word of the command line stands for: one, or one a level."""
    made = make("attention", f"attention={name}")
    makers = [made] if callable(made) else made
    return [randomize(maker(dim, num_heads, index)) for maker in makers]


def image(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_every_word_is_a_file_and_every_file_a_word():
    files = Path(ROOT / "denoise" / "attention").glob("[!_]*.py")
    assert sorted(path.stem for path in files) == NAMES
    for name in NAMES:
        text = (ROOT / "configs" / "attention" / f"{name}.yaml").read_text()
        assert f"_target_: denoise.attention.{name}." in text


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    @pytest.mark.parametrize("size", SIZES, ids=str)
    @pytest.mark.parametrize("index", [0, 1])
    def test_any_size_with_finite_gradients(self, name, size, index):
        for mixer in mixers(name, index=index):
            x = image(3, 16, *size).requires_grad_()
            out = mixer(x)
            assert out.shape == x.shape
            out.square().mean().backward()
            assert torch.isfinite(out).all()
            for parameter in (x, *mixer.parameters()):
                assert torch.isfinite(parameter.grad).all()

    def test_every_parameter_has_a_part(self, name):
        for mixer in mixers(name):
            mixer(image(1, 16, 13, 18).requires_grad_()).square().mean().backward()
            assert all(p.grad.abs().sum() > 0 for p in mixer.parameters())

    def test_images_of_a_batch_do_not_meet(self, name):
        for mixer in mixers(name):
            mixer.double()
            x = image(3, 16, 13, 18).double()
            alone = torch.cat([mixer(one) for one in x.split(1)])
            torch.testing.assert_close(mixer(x), alone, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_precision(self, name, dtype):
        for mixer in mixers(name):
            x = image(2, 16, 13, 18).to(dtype)
            mixer.to(dtype)
            out = mixer(x)
            exact = mixer.double()(x.double())
            error = (out.double() - exact).abs().max() / exact.abs().max()
            assert out.dtype == dtype
            assert error < 16 * torch.finfo(dtype).eps

    def test_autocast(self, name):
        for mixer in mixers(name):
            x = image(2, 16, 13, 18).requires_grad_()
            with torch.autocast("cpu", torch.bfloat16):
                out = mixer(x)
            out.float().square().mean().backward()
            exact = mixer(x)
            assert (out - exact).abs().max() / exact.abs().max() < 0.15
            assert all(torch.isfinite(p.grad).all() for p in mixer.parameters())

    def test_channels_last_stays_and_changes_nothing(self, name):
        for mixer in mixers(name):
            mixer.double()
            x = image(2, 16, 13, 18).double()
            out = mixer(x.contiguous(memory_format=torch.channels_last))
            assert out.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(out, mixer(x), rtol=0, atol=1e-12)

    def test_weights_know_no_size(self, name):
        for mixer, other in zip(mixers(name), mixers(name, index=3), strict=True):
            mixer(image(1, 16, 64, 64))
            other.load_state_dict(mixer.state_dict())
            x = image(1, 16, 50, 75)
            torch.testing.assert_close(mixer(x), other(x))

    def test_constant_image_stays_constant_inside(self, name):
        for mixer in mixers(name):
            mixer.double()
            x = image(1, 16, 1, 1).double().expand(1, 16, 40, 33)
            inside = mixer(x)[..., 4:-4, 4:-4]
            assert (inside - inside[..., :1, :1]).abs().max() < 1e-12

    def test_inference_mode_first_then_training(self, name):
        for mixer in mixers(name):
            with torch.inference_mode():
                mixer(image(1, 16, 13, 18))
            mixer(image(1, 16, 13, 18).requires_grad_()).sum().backward()
