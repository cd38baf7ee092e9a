"""Every attention of configs/attention is a mixer that has its properties."""

import pytest
from harness import make, options

from denoise.properties import Mixer, MixerProperties


@pytest.mark.parametrize("name", options("attention"))
def test_every_attention_is_a_mixer_with_properties(name):
    made = make("attention", f"attention={name}")
    for maker in [made] if callable(made) else made:
        mixer = maker(16, 2, 0)
        assert isinstance(mixer, Mixer)
        assert isinstance(mixer.properties, MixerProperties)
