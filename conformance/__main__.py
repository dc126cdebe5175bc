"""`make polyglot`: plays the scenarios in each language against the running test profile, and prints one table."""

import argparse
import asyncio
import sys

from conformance.languages import LANGUAGES
from conformance.play import Result, play
from conformance.table import lines


def main() -> int:
    """0 when everything that could be run went well."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    names = [language.name for language in LANGUAGES]
    parser.add_argument("languages", nargs="*", help=f"of {', '.join(names)}; none: all", metavar="LANGUAGE")
    chosen = parser.parse_args().languages or names
    if unknown := set(chosen) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    results: list[Result] = asyncio.run(play([each for each in LANGUAGES if each.name in chosen]))
    print("\n".join(lines(results)))
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
