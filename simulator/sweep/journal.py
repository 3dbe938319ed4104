"""The results file of a sweep: one line a run, written as it ends, read again to resume.

Owns its format (CSV with a header), its lock, and what a crash may leave: a last line without its
end, which is dropped. A line is of the cell whose key it names; lines of cells that are not asked
for stay where they are.
"""

from __future__ import annotations

import csv
import fcntl
import io
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from types import TracebackType

from podferry.simulator.errors import BadInput
from podferry.simulator.model import Result

COLUMNS = tuple(field.name for field in fields(Result) if field.name != "events")
HEADER = ("cell", *COLUMNS)
_WHOLE = {field.name for field in fields(Result) if field.type == "int"}


class Journal:
    """The open file; without a path it keeps results in memory only."""

    def __init__(self, path: Path | None) -> None:
        """Open and lock the file, and read what it holds.

        Raises:
            BadInput: cannot be written, in use, or not such a file.
        """
        self._path = path
        self._results: dict[str, dict[int, Result]] = {}
        self._file: io.BufferedRandom | None = None
        if path is not None:
            self._file = self._open(path)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def of(self, key: str) -> dict[int, Result]:
        """Return the results of a cell by seed."""
        return self._results.get(key, {})

    def add(self, key: str, results: Iterable[Result]) -> None:
        """Keep results, on disk before this returns where there is a file."""
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        for result in results:
            self._results.setdefault(key, {})[result.seed] = result
            writer.writerow([key, *(_text(getattr(result, name)) for name in COLUMNS)])
        if self._file is not None:
            self._file.write(lines.getvalue().encode())
            self._file.flush()

    def _open(self, path: Path) -> io.BufferedRandom:
        try:
            file = path.open("a+b")
        except OSError as error:
            raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise BadInput(f"{path}: another sweep writes it; name another file") from None
        file.seek(0)
        data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if whole:
            self._read(path, whole.decode("utf-8", "replace"))
        elif data and not ",".join(HEADER).startswith(data.decode("utf-8", "replace")):
            file.close()
            raise BadInput(f"{path}: line 1: not a results file of podferry simulate")
        file.truncate(len(whole))
        if not whole:
            file.write((",".join(HEADER) + "\n").encode())
            file.flush()
        return file

    def _read(self, path: Path, text: str) -> None:
        rows = csv.reader(io.StringIO(text))
        if tuple(next(rows)) != HEADER:
            raise BadInput(f"{path}: line 1: not a results file of this version of podferry")
        for number, row in enumerate(rows, 2):
            try:
                result = _result(row[1:])
            except (ValueError, KeyError) as error:
                raise BadInput(f"{path}: line {number}: not a result: {error}") from None
            self._results.setdefault(row[0], {})[result.seed] = result


def _text(value: float | int | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else repr(value)


def _result(cells: list[str]) -> Result:
    named = dict(zip(COLUMNS, cells, strict=True))
    found: dict[str, int | float | bool] = {
        name: int(text) if name in _WHOLE else float(text) for name, text in named.items()
    }
    found["over_capacity"] = bool(found["over_capacity"])
    return Result(**found)  # type: ignore[arg-type]
