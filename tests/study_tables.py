"""Tables of a study with known effects, as its runs would leave them."""

import numpy as np
import pandas

EFFECTS = {"none": -0.2, "conv1x1": 0.0, "sca": 0.15, "cbam": -0.1}


def scores(effects, seeds=3, images=20, by_seed=0.01, rung="A", sigmas=(25.0,), rng=None):
    """Return a long table of arms whose true differences from each other are known, in dB."""
    rng = rng or np.random.default_rng(0)
    index = pandas.MultiIndex.from_product(
        [effects, range(seeds), range(images), sigmas, range(2)],
        names=["arm", "seed", "number", "sigma", "draw"],
    )
    rows = index.to_frame(index=False)
    content = rng.normal(30, 2, images)
    levels = rng.normal(0, by_seed, (len(effects), seeds))
    arms = rows["arm"].map(list(effects).index)
    rows["psnr"] = (
        content[rows["number"]]
        + rows["arm"].map(effects)
        + levels[arms, rows["seed"]]
        + rng.normal(0, 0.02, len(rows))
        - rows["sigma"] / 10
    )
    rows["image"] = "i" + rows["number"].astype(str)
    rows["set"] = np.where(rows["number"] % 2, "urban", "kodak")
    rows["ssim"], rows["pixels"], rows["rate"] = 0.8, 16384, 1.0
    rows["seconds"] = rng.uniform(0.01, 0.03, len(effects))[arms]
    return rows.assign(rung=rung)


def write_tables(folder, effects=None, rungs=("A", "B"), steps=(5, 10), choose="photographs"):
    """Write table.csv, runs.csv, curves.csv and images.csv of a study."""
    effects, rng = effects or EFFECTS, np.random.default_rng(0)
    parts = []
    for rung in rungs:
        part = scores(effects, rung=rung, sigmas=(15.0, 25.0, 50.0), rng=rng)
        part.loc[part["number"] < 6, "set"] = choose
        parts.append(part)
    table = pandas.concat(parts)
    folder.mkdir(parents=True, exist_ok=True)
    table.drop(columns="number").to_csv(folder / "table.csv", index=False)
    runs, curves = [], []
    for rung, count in zip(rungs, steps, strict=True):
        for number, arm in enumerate(effects):
            for seed in range(3):
                for rate in (0.5, 1.0, 2.0) if seed == 0 and rung == rungs[0] else (1.0,):
                    psnr = 29 + effects[arm] - abs(np.log2(rate)) / 10
                    key = {"arm": arm, "rung": rung, "seed": seed, "rate": rate}
                    cost = {"parameters": 1e6 + 1e4 * number, "macs": 6e9 + 1e8 * number}
                    runs.append(key | cost | {"steps": count, "seconds": 2.0 * count,
                                "val_psnr": psnr, "git": "abc", "error": ""})  # fmt: skip
                    curves += [
                        key | {"step": step, "psnr": psnr - 2 / step + rng.normal(0, 0.02)}
                        for step in range(1, count + 1)
                    ]
    pandas.DataFrame(runs).to_csv(folder / "runs.csv", index=False)
    pandas.DataFrame(curves).to_csv(folder / "curves.csv", index=False)
    images = table[["set", "image", "number"]].drop_duplicates()
    images = images.assign(gradient=images["number"], **{"self-similarity": images["number"] % 7})
    latency = [{"variant": arm, "ms": 100.0 + 10 * n} for n, arm in enumerate(effects)]
    pandas.DataFrame(latency).to_csv(folder / "latency.csv", index=False)
    images.drop(columns="number").to_csv(folder / "images.csv", index=False)
    return folder
