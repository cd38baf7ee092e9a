"""Compare two attentions: python docs/examples/compare_attentions.py KEY=VALUE ..."""

import csv
import subprocess
import sys

# A sweep: every attention with every seed, one after the other.
command = [
    sys.executable, "-m", "denoise.cli.main", "train", "-m",
    "attention=swin,mdta", "seed=0,1",
    "hydra.sweep.dir=outputs/compare",
    *sys.argv[1:],
]  # fmt: skip
subprocess.run(command, check=True)

# A difference counts where it is larger than that between the seeds.
with open("outputs/compare/summary.csv", newline="") as file:
    for row in csv.DictReader(file):
        print(row)
