"""What is wrong with the data: each finding with its sentence, its pictures and its files."""

from itertools import zip_longest
from typing import TYPE_CHECKING

from dashboard.findings import finding_text, fix_text, health_text, remark_text
from dashboard.html import NOTHING, Html, h, join, note, png, table, tag
from dashboard.pages.data.view import SHOWN_FILES, View
from dashboard.text import Viewer

if TYPE_CHECKING:
    from digpt.data.health import Finding

_TONES = {"error": ("no", "✕"), "warning": ("more", "!"), "note": ("info", "i")}


def health_list(shown: View, me: Viewer) -> Html:
    """All findings, the gravest first; an invitation where nobody has looked yet."""
    if shown.health is None:
        return h('<p class="d-note">{w}</p>', w=me.text("data.health.why"))
    if not shown.health.findings:
        return note(health_text(shown.health, me), "go", "data-sound")
    parts = [_finding(f, shown, me) for f in shown.health.findings]
    return h(
        '<p class="d-note">{sum}</p><div class="d-findings" id="data-findings">{parts}</div>',
        sum=health_text(shown.health, me),
        parts=join(parts),
    )


def _finding(found: "Finding", shown: View, me: Viewer) -> Html:
    tone, sign = _TONES[found.severity]
    return h(
        '<article class="d-finding" data-code="{code}"><div>{tag}</div><div class="d-stack">'
        "<p><b>{what}</b> {fix}</p>{pictures}{files}</div></article>",
        code=found.code,
        tag=tag(f"{sign} {me.text(f'severity.{found.severity}')}", tone, found.severity),
        what=finding_text(found, me),
        fix=fix_text(found, me),
        pictures=_pictures(found, shown, me),
        files=_files(found, me),
    )


def _pictures(found: "Finding", shown: View, me: Viewer) -> Html:
    """The first pictures, those that belong together side by side in one frame."""
    sets = found.sets or tuple((name,) for name in found.files)
    drawn, left = [], SHOWN_FILES
    remarks = dict(zip_longest(found.files, found.remarks, fillvalue=""))
    for members in sets:
        known = [name for name in members if name in shown.pictures][:left]
        left -= len(known)
        pictures = join(
            h(
                '<figure>{p}<figcaption class="d-note">{c}</figcaption></figure>',
                p=png(shown.pictures[name], name),
                c=remark_text(remarks.get(name, ""), me),
            )
            for name in known
        )
        if known:
            drawn.append(h('<span class="d-set">{p}</span>', p=pictures))
    return h('<div class="d-thumbs d-large">{d}</div>', d=join(drawn)) if drawn else NOTHING


def _files(found: "Finding", me: Viewer) -> Html:
    if not found.files:
        return NOTHING
    pairs = zip_longest(found.files, found.remarks, fillvalue="")
    rows = [[file, remark_text(remark, me)] for file, remark in pairs]
    heads = [me.text("new.problem.file"), me.text("data.remark")]
    listed = me.text(
        "data.files", shown=me.number(len(rows), "count"), count=me.number(found.count, "count")
    )
    return h(
        "<details><summary>{w}</summary><div class='d-tall'>{t}</div></details>",
        w=listed,
        t=table(heads, rows),
    )
