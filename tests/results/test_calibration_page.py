import numpy as np
import pytest

from denoise.noise.calibration import Tiles
from denoise.noise.profile import Level
from denoise.noise.temporal import temporal_noise
from denoise.results.calibration_page import Measured, charts, write_page


@pytest.fixture
def measured():
    rng = np.random.default_rng(0)
    scene = np.linspace(0.05, 0.85, 128 * 128).reshape(128, 128)
    frames = [scene + np.sqrt(1e-3 * scene + 1e-5) * rng.standard_normal(scene.shape) for _ in "ab"]
    signal = np.linspace(0.05, 0.85, 256)
    tiles = Tiles(signal, 1e-3 * signal + 1e-5, np.ones(256), np.full(256, 128))
    level = Level(200, 1e-3, 1e-5, 0.0, (9e-4, 1.1e-3), (8e-6, 1.2e-5), 256)
    correlations = np.eye(5)
    correlations[0, 1] = -0.2
    return Measured(200, level, tiles, correlations, temporal_noise(frames), ["mind <this>"])


def test_charts_show_what_holds(measured):
    fit, real, stable = charts(measured)
    assert [line.name for line in fit.lines] == ["measured", "fitted"]
    for one in (fit, real):
        (measured_line, other) = one.lines
        for point, expected in zip(measured_line.points, other.points, strict=True):
            assert point.y == pytest.approx(expected.y, abs=0.1 * (one.bottom - one.top))
    values = [float(point.text.split()[1]) for point in stable.lines[0].points]
    np.testing.assert_allclose(values, 1, atol=0.1)


def test_the_page_escapes_and_stands_alone(tmp_path, measured):
    write_page(tmp_path / "a.html", "A <b>", [measured], "denoise train")
    page = (tmp_path / "a.html").read_text()
    assert "A &lt;b&gt;" in page
    assert "mind &lt;this&gt;" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    alone = measured._replace(example=None, correlations=np.zeros((1, 1)))
    write_page(tmp_path / "b.html", "A", [alone], "denoise train")
    assert (tmp_path / "b.html").read_text().count("<svg") == 1
