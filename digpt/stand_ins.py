"""What lies in a file's place where a download or a copy went wrong; its first bytes tell."""

_POINTER = b"version https://git-lfs"
_PAGES = (b"<!doctype html", b"<html")
HEAD = 64  # bytes that tell


def stand_in(head: bytes) -> str:
    """`empty`, `git-pointer` (Git LFS), `web-page` (a sign-in, an error), or "" for a real file."""
    if not head:
        return "empty"
    if head.startswith(_POINTER):
        return "git-pointer"
    return "web-page" if head.lstrip().lower().startswith(_PAGES) else ""
