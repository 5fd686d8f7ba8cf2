"""What is wrong with a Parquet or Arrow file, in our own words: its first and last bytes tell."""

from digpt.data.reasons import Reason, reason
from digpt.stand_ins import HEAD, stand_in

ENDS = HEAD  # bytes of each end that are looked at
ARROW_FILE = b"ARROW1"  # the format for files; the one for streams begins with a marker
_STREAM = b"\xff\xff\xff\xff"


def damage(head: bytes, tail: bytes, kind: str) -> Reason:
    """Why a file of `kind` (Parquet or Arrow) cannot be read, from `ENDS` bytes of each end."""
    if found := stand_in(head):
        return reason(found)
    if kind == "Parquet" and tail.endswith(b"PARE"):
        return reason("encrypted")
    starts = head.startswith((b"PAR1",) if kind == "Parquet" else (_STREAM, ARROW_FILE))
    ends = kind == "Parquet" and tail.endswith(b"PAR1")
    if starts and ends:
        return reason("part-damaged")
    return reason("cut-short") if starts or ends else reason("other-kind", kind=kind)
