"""The model card: its header is valid, its text says what the model is."""

import json
import socket

import pytest
import yaml
from huggingface_hub import ModelCard
from runs import plain, save

from denoise.results.model_card import PAIRED, describe, model_card, results_of, trained_noise

TINY = ("backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]", "backbone.num_refinement_blocks=0")
COMPLEXITY = {"parameters": 1234567, "macs": 4_440_000_000, "macs_size": 256}
MEAN = {"set": "kodak24", "sigma": 25, "method": "restored", "images": 24,
        "psnr": 30.734, "ssim": 0.84264}  # fmt: skip
RESULTS = {
    "protocol": "kair",
    "average": [
        MEAN | {"method": "noisy", "psnr": 20.17},
        MEAN,
        MEAN | {"sigma": 50, "psnr": 27.8},
        MEAN | {"set": "sidd", "sigma": None, "psnr": 39.0},
    ],
    "training": {"steps": 1636, "seconds": 200.4},
}
WEIGHTS = {
    "files": ["model.safetensors", "config.json"],
    "skipped": {"onnx": "mixer (Odd): is odd"},
    "spec": None,
    "checks": {},
}
ALL = {
    "files": ["model.safetensors", "config.json", "model.onnx", "run.py", "model.pt2"],
    "skipped": {},
    "spec": {"smallest": 8},
    "checks": {"onnx": {"8x8": 1.234e-6, "24x40": 2e-7}, "pt2": {"8x8": 0.0}},
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("the network is asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    def write(*words, results=None, export=WEIGHTS, keys=None):
        config = plain(*words, *TINY)
        net = save(tmp_path / "a.ckpt", config).eval()
        config = config if keys is None else {key: config[key] for key in keys}
        text = model_card(net, config, results, COMPLEXITY, export)
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert "\n\n\n" not in text
        return text

    return write


def test_the_header_states_licence_data_and_metrics(written):
    text = written("attention=dual", results=RESULTS)
    header = yaml.safe_load(text.split("---\n")[1])
    assert (header["license"], header["license_name"]) == ("other", "to-be-chosen-by-the-publisher")
    assert header["datasets"] == ["photographs"]
    assert header["metrics"] == ["psnr", "ssim"]
    assert header["pipeline_tag"] == "image-to-image"
    assert header["tags"] == ["image-denoising", "restormer", "dual"]
    data = ModelCard(text).data  # reads the model index back
    assert data.model_name == "restormer-dual"
    found = {
        (one.dataset_name, one.dataset_config, one.metric_type): one.metric_value
        for one in data.eval_results
    }
    assert found == {
        ("kodak24", "sigma 25", "psnr"): 30.734, ("kodak24", "sigma 25", "ssim"): 0.8426,
        ("kodak24", "sigma 50", "psnr"): 27.8, ("kodak24", "sigma 50", "ssim"): 0.8426,
        ("sidd", "real noise", "psnr"): 39.0, ("sidd", "real noise", "ssim"): 0.8426,
    }  # fmt: skip
    assert {one.dataset_args["protocol"] for one in data.eval_results} == {"kair"}


def test_the_text_says_what_the_model_is(written):
    text = written("attention=dual", "noise.sigma=[0,50]", results=RESULTS)
    for line in (
        "# Image denoiser: Restormer-like U-Net, attention dual (first=swin (window_size=8, ",
        "Restores noisy colour images of any size",
        "| parameters | 1,234,567 |",
        "| MACs at 256x256 | 4.44 G |",
        "| images | photographs |",
        "| noise | Gaussian (sigma=[0, 50]) |",
        "| crops | 4 of 48 px |",
        "| steps | 1636 |",
        "| seconds | 200 |",
        "Protocol `kair`.",
        "| kodak24 | 24 | 25 | restored | 30.73 | 0.8426 |",
        "| sidd | 24 |  | restored | 39.00 | 0.8426 |",
        "Not in this folder, onnx: mixer (Odd): is odd.",
        "The weights are those of the checkpoint, bit by bit.",
        "the licence of the weights is for whoever publishes them to choose",
        'denoise.load("FOLDER")',
        "restored = model(noisy)",
    ):
        assert line in text
    for word in ("sigma, the strength", "onnxruntime", "torch.export", "The programs take"):
        assert word not in text


def test_every_file_has_its_use_and_a_noise_map_its_sigma(written):
    text = written("attention=none", "channels=1", "backbone.sigma_map=true", export=ALL)
    for line in (
        "Restores noisy grey images",
        "It takes sigma, the strength of the noise, too: (batch,) in grey levels of 0-255.",
        "No results.json of this checkpoint was beside it.",
        "Restoring by tiles gives the very pixels of the whole image.",
        "The programs take images from 8 x 8 pixels",
        "python run.py noisy.png clean.png --sigma 25",
        'session.run(None, {"noisy": noisy, "sigma": sigma})[0]',
        'torch.export.load("model.pt2")',
        "| onnx | 8x8 | 1.2e-06 |",
        "| pt2 | 8x8 | 0.0e+00 |",
    ):
        assert line in text
    assert text.count("restored = net(noisy, sigma)") == 1
    assert text.count("restored = model(noisy, sigma=25)") == 1
    assert "Not in this folder" not in text
    header = yaml.safe_load(text.split("---\n")[1])
    assert not {"model-index", "model_name", "metrics"} & header.keys()


def test_what_sees_the_whole_image_is_named(written):
    text = written("attention=sca")
    assert "Every pixel depends on the whole image, by encoder.0.0" in text


def test_a_published_model_has_no_training(written):
    text = written("attention=none", keys=["backbone"])
    assert "| by | others: the weights are a published Restormer's |" in text
    assert "Trained for this noise: what its authors say." in text
    assert "datasets" not in text.split("---\n")[1]


def test_parts_are_described_by_name_and_options():
    norm = {"_target_": "denoise.norm.LayerNorm", "_partial_": True, "eps": 1e-5}
    swin = {"_target_": "denoise.attention.swin.Swin", "_partial_": True, "window_size": 8}
    assert describe(norm) == "LayerNorm (eps=1e-05)"
    assert describe(swin) == "swin (window_size=8)"
    dual = {"_target_": "denoise.attention.dual.Dual", "first": swin}
    assert describe(dual) == "dual (first=swin (window_size=8))"
    assert describe({"_target_": "torch.nn.L1Loss"}) == "L1Loss"
    assert describe("plain") == "plain"


def test_results_are_those_of_this_very_checkpoint(tmp_path):
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    path = tmp_path / "run" / "results.json"
    path.write_text(json.dumps(RESULTS))
    assert results_of(folder / "best.ckpt") == RESULTS
    assert results_of(folder / "last.ckpt") is None
    assert results_of(tmp_path / "other" / "best.ckpt") is None
    path.write_text(json.dumps(RESULTS | {"checkpoint": "checkpoints/last.ckpt"}))
    assert results_of(folder / "best.ckpt") is None
    assert results_of(folder / "last.ckpt")["protocol"] == "kair"
    for damaged in ("", "[]", "{}", '{"average": []}', '{"average": [1], "checkpoint": 3}'):
        path.write_text(damaged)
        assert results_of(folder / "best.ckpt") is None


def test_the_noise_of_pairs_is_theirs(written):
    pairs = ("data@train=pairs", "train.pairs.noisy=shots", "train.pairs.clean=means")
    assert trained_noise(plain(*pairs)) == PAIRED
    text = written("attention=none", *pairs)
    assert f"| noise | {PAIRED} |" in text
    assert f"Trained for this noise: {PAIRED}." in text
    assert trained_noise(plain("noise=poisson")) == "Poisson (peak=30)"
