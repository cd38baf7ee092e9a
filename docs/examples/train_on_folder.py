"""Train on your photographs: python docs/examples/train_on_folder.py TRAIN VAL KEY=VALUE ..."""

import subprocess
import sys

train, val, *overrides = sys.argv[1:]  # two folders: validation must not see the training's

# The same as `denoise train ...` in a shell. The network trains for three minutes unless
# trainer.max_time or trainer.max_steps says otherwise.
command = [
    sys.executable, "-m", "denoise.cli.main", "train",
    "data@train=folder", f"train.folder.path='{train}'",
    "data@val=folder", f"val.folder.path='{val}'",
    "attention=swin",
    "hydra.run.dir=outputs/my_photos",
    *overrides,
]  # fmt: skip
subprocess.run(command, check=True)
print("the model: outputs/my_photos/checkpoints/best.ckpt")
