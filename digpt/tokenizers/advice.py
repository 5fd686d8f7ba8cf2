"""Which tokenizer the index advises. No torch here, so that a page can ask."""

from collections.abc import Mapping


def advise(
    scores: Mapping[str, tuple[float, float, float] | None], speeds: Mapping[str, float]
) -> tuple[str | None, str]:
    """The tokenizer to take and why: "clear"; else the fastest of those that the first does not
    clearly beat, "first" if that is itself or "cheapest"; or "no-labels". scores: (value, low,
    high) of the index, None where unknown; speeds: images per second."""
    known = {name: s for name, s in scores.items() if s is not None}
    if not known:
        return None, "no-labels"
    first = max(known, key=lambda name: known[name][0])
    rivals = [name for name, s in known.items() if s[2] >= known[first][1]]
    if rivals == [first]:
        return first, "clear"
    fastest = max(rivals, key=lambda name: speeds[name])
    return fastest, "first" if fastest == first else "cheapest"
