"""``python -m stfw`` is ``stfw``."""

from stfw.cli import main

if __name__ == "__main__":
    main()
