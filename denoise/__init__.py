"""Denoise: which attention helps image denoising, measured.

Conventions, valid everywhere in this package and stated only here. Images are float tensors in
[0, 1] of shape (B, C, H, W); the words are `noisy`, `clean` and `restored`. The strength of noise,
`sigma`, is a standard deviation in grey levels of 0-255 in every config and every signature; only
`denoise.noise` converts it. Shape letters: B batch, C channels, H height, W width, N heads, D width
of a head, T tokens. Metrics are per image, of shape (B,). Everything random takes a generator.
Imports go down only: facts; attention, norm, feedforward, noise, losses and metrics, which know
torch alone; backbone, data and inference stand on them; training, evaluation and study on those.
"""
