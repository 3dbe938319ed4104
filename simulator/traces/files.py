"""Opens what a trace lies in: plain or gzip, JSON or lines, with every failure as one line.

Owns the file system's errors. It knows no format of a trace.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from podferry.simulator.errors import BadInput
from podferry.simulator.traces.build import Budget


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text, gzip or plain, without their ends and a byte order mark.

    Raises:
        BadInput: missing, unreadable, cut off, or not UTF-8.
    """
    number = 0
    try:
        with _open(path) as file:
            for number, raw in enumerate(file, 1):
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                yield text.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path}: line {number + 1}: gzip data is cut off or broken") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: line {number}: not UTF-8 text") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error


def json_of(path: Path, budget: Budget) -> Any:
    """Return what a JSON file says.

    Raises:
        BadInput: missing, unreadable, cut off, or not JSON (with line and column).
        TooLarge: more than memory allows.
    """
    try:
        with _open(path) as file:
            data = bytearray()
            while chunk := file.read(1 << 22):
                data += chunk
                budget.text(str(path), len(data))
        return json.loads(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path}: gzip data is cut off or broken") from error
    except json.JSONDecodeError as error:
        what = "is cut off" if error.pos >= len(error.doc.rstrip()) else "is not JSON"
        raise BadInput(
            f"{path}: line {error.lineno}, column {error.colno}: the file {what}: {error.msg}"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON in UTF-8") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
