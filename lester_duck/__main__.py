"""``python -m lester_duck``."""

from lester_duck.cli.main import run

if __name__ == "__main__":
    run()
