"""What CI runs: format, lint, types, tests. Exits with the first failure's status."""

from __future__ import annotations

import subprocess
import sys

STEPS = (
    ("format", "ruff", "format", "--check", "."),
    ("lint", "ruff", "check", "."),
    ("types", "mypy"),
    ("tests", "pytest"),
)


def main() -> int:
    for title, module, *words in STEPS:
        print(f"== {title}", flush=True)
        status = subprocess.run([sys.executable, "-m", module, *words]).returncode
        if status:
            print(f"{title} failed")
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
