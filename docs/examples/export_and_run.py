"""Export and run without torch: python docs/examples/export_and_run.py CHECKPOINT NOISY CLEAN"""

import subprocess
import sys

checkpoint, noisy, clean = sys.argv[1:]

# The folder model/ then holds weights, the ONNX program, a model card, and run.py.
command = [
    sys.executable, "-m", "denoise.cli.main", "export",
    f"checkpoint='{checkpoint}'", "output=model", "format=[safetensors,onnx]",
]  # fmt: skip
subprocess.run(command, check=True)

# run.py imports NumPy, ONNX Runtime and Pillow, neither torch nor this package: the folder can be
# copied to any machine.
subprocess.run([sys.executable, "model/run.py", noisy, clean], check=True)
