"""Classes that mean that nothing is wrong, in English and in Japanese."""

BACKGROUND = "background"  # where nothing is marked
_ENGLISH = ("good", "normal", "ok", "okay", "pass", "passed", BACKGROUND)
_JAPANESE = ("良品", "正常", "良", "合格", "異常なし")
GOOD = frozenset((*_ENGLISH, *_JAPANESE))


def is_good(label: str) -> bool:
    return label.strip().lower() in GOOD
