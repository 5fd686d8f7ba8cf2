"""Text files as people have them: every encoding met in Japan."""

from digpt.data.reasons import reason


def decoded(data: bytes) -> str:
    """UTF-8 with or without mark, UTF-16 with mark (Excel), else CP932 (Windows in Japan).

    ValueError where it is none of these.
    """
    is_utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if is_utf_16 else ("utf-8-sig", "cp932"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError(reason("encoding"))
