"""Export a model: python scripts/export.py checkpoint=PATH output=FOLDER format=[onnx]."""

from denoise.cli.export import main

if __name__ == "__main__":
    main()
