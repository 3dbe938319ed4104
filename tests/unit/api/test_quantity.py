"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podferry.api.quantity import parse_bytes, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2.0), ("5m", 300.0), ("1h", 3600.0), ("1m30s", 90.0), (".5s", 0.5),
     (" 2s ", 2.0), ("0s", 0.0), ("7h", 25200.0), ("168h", 604800.0)],
)  # fmt: skip
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "words"),
    [("-1s", "negative"), ("2", "no unit; write 2s"), ("", "cannot be read"),
     ("soon", "500ms, 2s or 5m"), ("2 s", "cannot be read"), ("1d", "cannot be read"),
     ("169h", "longer than 7 days"), ("1e9s", "cannot be read"), ("nans", "cannot be read")],
)  # fmt: skip
def test_a_bad_duration_is_refused_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("3Gi", 3 * 2**30), ("64Mi", 64 * 2**20), ("1e9", 10**9), ("1E9", 10**9), ("2E", None),
     ("500M", 500 * 10**6), ("0", 0), (1024, 1024), ("1.5Ki", 1536), ("128974848000m", 128974848),
     ("1m", 1), ("1Ei", 2**60), ("10e-1", 1)],
)  # fmt: skip
def test_a_size_is_read_in_bytes_rounded_up(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(ValueError, match="above 1 EiB"):
            parse_bytes(text)
    else:
        assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [("-3Gi", "negative"), ("3 Gi", "cannot be read"), ("3gb", "64Mi, 3Gi or 1e9"),
     ("", "cannot be read"), ("2Ei", "above 1 EiB"), ("1e99", "above 1 EiB"),
     ("1e999999999", "cannot be read"), ("9" * 30, "cannot be read")],
)  # fmt: skip
def test_a_bad_size_is_refused_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_bytes(text)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_with_a_value_error(text: str) -> None:
    for parse in (parse_bytes, parse_duration):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert text[:10] in str(error)  # noqa: PT017
