"""Write the training photographs of the released models: see denoise/data/free_photographs.py."""

from denoise.data.free_photographs import main

if __name__ == "__main__":
    main()
