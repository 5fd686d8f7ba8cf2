"""What is wrong with a Parquet, Arrow or Excel file, in our own words: its first and last bytes
tell."""

from digpt.data.reasons import Reason, reason
from digpt.stand_ins import HEAD, stand_in

ENDS = HEAD  # bytes of each end that are looked at
ARROW_FILE = b"ARROW1"  # the format for files
_STARTS = {
    "Parquet": (b"PAR1",),
    "Arrow": (b"\xff\xff\xff\xff", ARROW_FILE),  # the first of the format for streams
    "Excel": (b"PK\x03\x04",),
}
_OLE = b"\xd0\xcf\x11\xe0"  # of Excel before 2007, and around an encrypted file


def damage(head: bytes, tail: bytes, kind: str) -> Reason:
    """Why a file of `kind` (of _STARTS) cannot be read, from `ENDS` bytes of each end."""
    if found := stand_in(head):
        return reason(found)
    if kind == "Parquet" and tail.endswith(b"PARE"):
        return reason("encrypted")
    if kind == "Excel" and head.startswith(_OLE):
        return reason("excel-old")
    starts = head.startswith(_STARTS[kind])
    ends = kind == "Parquet" and tail.endswith(b"PAR1")
    if starts and ends:
        return reason("part-damaged")
    return reason("cut-short") if starts or ends else reason("other-kind", kind=kind)
