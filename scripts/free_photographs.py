"""Write the training photographs of the released models: see denoise/data/free_photographs.py."""

import sys
from pathlib import Path

from denoise.data.free_photographs import write_photographs

if __name__ == "__main__":
    write_photographs(Path(sys.argv[1]), Path(sys.argv[2]))
