"""Where a file is dropped that static/upload.js sends piece by piece."""

from uuid import uuid4

from dashboard.html import Html, h
from dashboard.text import Viewer

ENDINGS = ".zip,.tar,.tgz,.gz,.bz2,.xz,.tbz2,.txz"
WORDS = ("sending", "lost", "done", "cancelled")  # what the script says, in the viewer's language


def upload_box(elem_id: str, hidden: str, me: Viewer) -> Html:
    """An empty box; the key of what is sent from it goes into the component `hidden`."""
    later = {name: f"{{{name}}}" for name in ("name", "done", "total")}  # the script fills them in
    words = {word: me.text(f"new.upload.{word}", **later) for word in WORDS}
    return h(
        '<div class="d-upload" id="{id}-box" data-turn="{turn}" data-upload="{hidden}" '
        'data-sending="{sending}" data-lost="{lost}" data-done="{done}" '
        'data-cancelled="{cancelled}">'
        '<label for="{id}-file">{label}</label>'
        '<input type="file" id="{id}-file" accept="{endings}">'
        '<progress max="1" value="0" hidden aria-label="{label}"></progress>'
        '<p class="d-note" role="status">{why}</p>'
        '<button type="button" class="d-btn d-small" data-upload-cancel hidden>{cancel}</button>'
        "</div>",
        id=elem_id,
        turn=uuid4().hex,  # a box with another turn replaces one that has been used
        hidden=hidden,
        label=me.text("new.add.zip"),
        endings=ENDINGS,
        why=me.text("new.upload.why"),
        cancel=me.text("new.upload.cancel"),
        **words,
    )
