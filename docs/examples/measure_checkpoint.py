"""Measure a model: python docs/examples/measure_checkpoint.py CHECKPOINT FOLDER KEY=VALUE ..."""

import json
import subprocess
import sys
from pathlib import Path

checkpoint, folder, *overrides = sys.argv[1:]

command = [
    sys.executable, "-m", "denoise.cli.main", "evaluate",
    f"checkpoint='{checkpoint}'", "data=folder", f"data.folder.path='{folder}'",
    "sigma=[15,25,50]", "baseline=nlm", "report=true",
    "hydra.run.dir=outputs/measured",
    *overrides,
]  # fmt: skip
subprocess.run(command, check=True)

results = json.loads(Path("outputs/measured/results.json").read_text())
for row in results["average"]:
    print(f"sigma {row['sigma']}: {row['method']} {row['psnr']:.2f} dB")
print("the report: outputs/measured/report/index.html")
