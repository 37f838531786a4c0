"""`python -m flaxgal` is the command `flaxgal`."""

from flaxgal.cli import main

if __name__ == "__main__":
    main()
