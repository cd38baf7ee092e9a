import numpy as np
import pytest

from denoise.noise.calibration import Tiles
from denoise.noise.profile import Level
from denoise.noise.temporal import temporal_noise
from denoise.results.calibration_page import Measured, charts, iso_chart, write_page


@pytest.fixture
def measured():
    rng = np.random.default_rng(0)
    scene = np.linspace(0.05, 0.85, 128 * 128).reshape(128, 128)
    frames = [scene + np.sqrt(1e-3 * scene + 1e-5) * rng.standard_normal(scene.shape) for _ in "ab"]
    signal = np.linspace(0.05, 0.85, 256)
    tiles = Tiles(signal, 1e-3 * signal + 1e-5, np.ones(256), np.full(256, 128), np.zeros(256))
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


@pytest.mark.parametrize("scale", [1e-4, 1, 50])
def test_variances_of_any_size_are_shown(measured, scale):
    tiles = measured.tiles._replace(variance=measured.tiles.variance * scale)
    level = measured.level._replace(shot=1e-3 * scale, read=1e-5 * scale)
    fit = charts(measured._replace(tiles=tiles, level=level, example=None))[0]
    heights = [point.y for point in fit.lines[0].points]
    assert max(heights) - min(heights) > 0.5 * (fit.bottom - fit.top)
    assert fit.y_label.startswith("variance, 1e")


def test_where_no_line_fits_the_variance_is_shown(tmp_path, measured):
    (only,) = charts(measured._replace(level=None))
    assert [line.name for line in only.lines] == ["measured"]
    write_page(tmp_path / "a.html", "A", [measured._replace(level=None)], None)
    page = (tmp_path / "a.html").read_text()
    assert "There is no profile" in page
    assert "Train with it" not in page
    assert page.count('class="large"') == 1  # the correlation of -0.2, not that of a pixel itself


def test_read_over_shot_noise_by_iso():
    levels = [Level(iso, 1e-6 * iso, 1e-11 * iso**2) for iso in (100, 400, 1600)]
    found = iso_chart(levels)
    assert "slope 2.00" in found.title
    real, fitted = found.lines
    assert [point.y for point in real.points] == [point.y for point in fitted.points]
    assert iso_chart(levels[:2]) is None
