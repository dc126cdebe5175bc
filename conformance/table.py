"""The one table of results."""

from collections.abc import Iterable, Sequence

from conformance.play import Result

_WIDTHS = (12, 12, 10, 8)


def lines(results: Sequence[Result]) -> Iterable[str]:
    """The table, then what failed."""
    yield _row("language", "scenarios", "example", "seconds")
    for result in results:
        if result.skipped:
            yield _row(result.language, "skipped", "", "") + f"not here: {', '.join(result.skipped)}"
            continue
        scenarios = len(result.passed) + sum(1 for name in result.failed if name not in ("", "example"))
        example = "ok" if result.example else "failed"
        counts = f"{len(result.passed)} of {scenarios}"
        yield _row(result.language, counts, example, f"{result.seconds:.1f}")
    for result in results:
        for name, why in result.failed.items():
            yield f"\n{result.language}: {name or 'all'}: {why}"


def _row(*cells: str) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
