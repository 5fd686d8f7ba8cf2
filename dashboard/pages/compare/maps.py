"""What the tokenizers see in the same photos."""

from dashboard.html import Html, card_head, h, join, look_class, note, png
from dashboard.names import short_tokenizer
from dashboard.pages.compare.view import View
from dashboard.text import Viewer


def maps_card(shown: View, me: Viewer) -> Html:
    """What the tokenizers see in the same photos."""
    caption = me.text("compare.maps.caption")
    top = card_head(me.text("compare.maps"), caption, me)
    if shown.maps is None or not shown.maps.rows:
        return join([top, note(me.text("compare.maps.none"))])
    photos = [h("<span class='d-note'>{p}</span>", p=me.text("compare.photo"))]
    photos += [png(p, c) for p, c in zip(shown.maps.photos, shown.maps.captions, strict=True)]
    lines = [photos]
    for row in shown.maps.rows:
        chip = h(
            '<span class="d-chip d-{look}">{name}</span>',
            look=look_class(row.look),
            name=short_tokenizer(row.tokenizer, me),
        )
        alts = [f"{row.tokenizer}: {c}" for c in shown.maps.captions]
        lines.append([chip, *(png(p, a) for p, a in zip(row.images, alts, strict=True))])
    cells = join(join(h("<div>{c}</div>", c=c) for c in line) for line in lines)
    grid = h(
        '<div class="d-scroll"><div class="d-maps" style="--photos:{n}" id="compare-maps">{c}'
        "</div></div>",
        n=len(shown.maps.photos),
        c=cells,
    )
    return join([top, grid])
