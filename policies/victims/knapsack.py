"""Which items fit a sack and are worth most: an exact search with a bound on its steps."""

from __future__ import annotations


def best_set(
    room: int, items: list[tuple[int, float]], max_steps: int
) -> tuple[tuple[int, ...], bool]:
    """Return the indexes of the set of `items` worth most, and whether all sets were judged.

    Of equal sets the one that comes first by its indexes wins, as in a plain brute force that takes
    only what is worth strictly more. Sets that can no longer win are passed over. Where more than
    `max_steps` sets would have to be tried, the best of those tried is returned.

    Args:
        room: what weights may sum up to.
        items: (weight, worth), none negative.
        max_steps: at least 1.
    """
    rest = [0.0] * (len(items) + 1)
    for at in range(len(items) - 1, -1, -1):
        rest[at] = rest[at + 1] + items[at][1]
    best: tuple[int, ...] = ()
    best_worth = 0.0
    stack: list[tuple[tuple[int, ...], int, int, float]] = [((), 0, room, 0.0)]
    steps = 0
    while stack:
        chosen, first, left, worth = stack.pop()
        if worth > best_worth:
            best, best_worth = chosen, worth
        if (worth + rest[first]) * (1 + 1e-12) <= best_worth:
            continue
        if steps >= max_steps:
            return best, False
        steps += 1
        stack.extend(
            ((*chosen, at), at + 1, left - items[at][0], worth + items[at][1])
            for at in range(len(items) - 1, first - 1, -1)
            if items[at][0] <= left
        )
    return best, True
