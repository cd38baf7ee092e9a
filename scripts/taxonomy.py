"""Print the table of all attentions: what each is, states of itself, and costs."""

from denoise.cli.taxonomy import main

if __name__ == "__main__":
    main()
