"""The cards of the page: the table, token maps, nearest images, codes, weakest slices."""

import base64
from collections.abc import Mapping
from typing import Any

from dashboard.html import NOTHING, Html, card_head, figure, h, join, note, png, table
from dashboard.names import short_tokenizer
from dashboard.pages.tokens.view import View
from dashboard.quality import TUNED, WEAK, heads, measured, speed, tuning_rows, weak_rows
from dashboard.text import Viewer
from digpt.tokenizers.names import parse

SHARES = ("decodability", "token_decodability", "agreement", "stability", "pixels", "surroundings")


def cards(shown: View, me: Viewer) -> Html:
    """Everything that is known, or what a check would tell."""
    if not shown.found:
        return note(me.text("tokens.why"), "mute", "tokens-none")
    made = [_table(shown, me), _maps(shown, me), _near(shown, me), _weak(shown, me)]
    if any(q["tuned"] for q in shown.found):
        made.insert(1, _tuning(shown, me))
    if any(q["pictures"]["codes"] for q in shown.found):
        made.append(_codes(shown, me))
    return join(h('<section class="d-card d-stack d-token-part">{c}</section>', c=c) for c in made)


def _table(shown: View, me: Viewer) -> Html:
    """A row for each measure, a column for each tokenizer: both fit a phone better than wide."""
    rows = [
        [me.text("tokens.col.index"), *(_ranged(q["index"], "plain", me) for q in shown.found)],
        *(
            [me.text(f"tokens.col.{m}"), *(_ranged(q[m], "accuracy", me) for q in shown.found)]
            for m in SHARES
        ),
        [
            me.text("tokens.col.effective_rank"),
            *(_ranged(q["effective_rank"], "plain", me) for q in shown.found),
        ],
    ]
    if any(q["perplexity"] for q in shown.found):
        rows += [
            [
                me.text("tokens.col.perplexity"),
                *(_ranged(q["perplexity"], "plain", me) for q in shown.found),
            ],
            [
                me.text("tokens.col.information"),
                *(_ranged(q["label_information"], "accuracy", me) for q in shown.found),
            ],
            [
                me.text("tokens.col.dead"),
                *(
                    "–" if q["dead_codes"] is None else me.number(q["dead_codes"], "count")
                    for q in shown.found
                ),
            ],
        ]
    rows += [
        [
            me.text("tokens.col.speed"),
            *(speed(q["images_per_second"], me) for q in shown.found),
        ],
        [
            me.text("tokens.col.cost"),
            *(me.number(q["cost_per_1000"], "price", q["currency"]) for q in shown.found),
        ],
    ]
    heads = [
        me.text("tokens.col.name"),
        *(short_tokenizer(q["tokenizer"], me) for q in shown.found),
    ]
    chance = me.text("tokens.chance", chance=me.number(shown.found[0]["chance"], "accuracy"))
    return join(
        [
            card_head(me.text("tokens.table"), f"{me.text('tokens.table.caption')} {chance}", me),
            h('<div id="tokens-table">{t}</div>', t=table(heads, rows, numeric=range(1, 99))),
            _pending(shown, me),
            note(me.text("tokens.trust"), "more", "tokens-trust"),
        ]
    )


def _pending(shown: View, me: Viewer) -> Html:
    """Which of the named were not looked at yet, or not to the end."""
    seen = {q["tokenizer"] for q in shown.found}
    names = [n for n in (parse(name).canonical for name in shown.names) if n not in seen]
    if not names:
        return NOTHING
    listed = me.text("list.separator").join(short_tokenizer(n, me) for n in names)
    return h('<p class="d-note" id="tokens-pending">{t}</p>',
             t=me.text("tokens.pending", names=listed))  # fmt: skip


def _ranged(measure: Mapping[str, float | None] | None, kind: str, me: Viewer) -> Html:
    """The value with its interval behind it, muted."""
    return figure(*measured(measure, kind, me))


def _tuning(shown: View, me: Viewer) -> Html:
    """Each score of a tuned recogniser before and after, on images that tuning left out."""
    body = table(heads(TUNED, "tuned.col.", me), tuning_rows(shown.found, me), numeric=range(2, 8))
    return join(
        [
            card_head(me.text("tokens.tuned"), me.text("tokens.tuned.caption"), me),
            h('<div id="tokens-tuned">{b}</div>', b=body),
        ]
    )


def _maps(shown: View, me: Viewer) -> Html:
    """The same photos, one row for each tokenizer."""
    first = shown.found[0]["pictures"]
    lines = [[h("<span class='d-note'>{p}</span>", p=me.text("tokens.photo")),
              *_pictures(first["photos"], first["captions"])]]  # fmt: skip
    lines += [
        [
            h("<b>{n}</b>", n=short_tokenizer(q["tokenizer"], me)),
            *_pictures(
                q["pictures"]["maps"], [f"{q['tokenizer']}: {c}" for c in first["captions"]]
            ),
        ]
        for q in shown.found
    ]
    cells = join(join(h("<div>{c}</div>", c=c) for c in line) for line in lines)
    grid = h(
        '<div class="d-scroll" tabindex="0"><div class="d-maps" style="--photos:{n}" '
        'id="tokens-maps">{c}</div></div>',
        n=len(first["photos"]),
        c=cells,
    )
    return join([card_head(me.text("tokens.maps"), me.text("tokens.maps.caption"), me), grid])


def _near(shown: View, me: Viewer) -> Html:
    """For the same photos the images that each tokenizer holds to be most alike."""
    parts = [
        h("<h3>{n}</h3>{rows}", n=short_tokenizer(q["tokenizer"], me),
          rows=join(_neighbours(one, me) for one in q["pictures"]["neighbours"]))
        for q in shown.found
    ]  # fmt: skip
    body = h('<div class="d-two" id="tokens-near">{p}</div>', p=join(
        h("<div>{p}</div>", p=part) for part in parts))  # fmt: skip
    return join([card_head(me.text("tokens.near"), me.text("tokens.near.caption"), me), body])


def _neighbours(one: Mapping[str, Any], me: Viewer) -> Html:
    found = [(one["photo"], one["label"]), *zip(one["near"], one["labels"], strict=True)]
    pictures = [(p, label or me.text("new.unlabelled")) for p, label in found]
    figures = [
        h(
            '<figure>{p}<figcaption class="d-note">{c}</figcaption></figure>',
            p=_picture(p, c),
            c=c,
        )
        for p, c in pictures
    ]
    return h(
        '<div class="d-thumbs d-near"><span class="d-set">{q}</span>{n}</div>',
        q=figures[0],
        n=join(figures[1:]),
    )


def _codes(shown: View, me: Viewer) -> Html:
    """The codes that say most about the class."""
    parts = [
        h("<h3>{n}</h3>{codes}", n=short_tokenizer(q["tokenizer"], me),
          codes=join(_code(c, me) for c in q["pictures"]["codes"]))
        for q in shown.found if q["pictures"]["codes"]
    ]  # fmt: skip
    body = h('<div class="d-stack" id="tokens-codes">{p}</div>', p=join(parts))
    return join([card_head(me.text("tokens.codes"), me.text("tokens.codes.caption"), me), body])


def _code(code: Mapping[str, Any], me: Viewer) -> Html:
    said = me.text(
        "tokens.code" if code["label"] else "tokens.code.plain",
        number=code["number"],
        share=me.number(code["share"], "accuracy"),
        lift=f"{code['lift']:.1f}",
        label=code["label"],
    )
    return h(
        '<p class="d-note">{s}</p><div class="d-thumbs d-near">{p}</div>',
        s=said,
        p=join(h("<figure>{p}</figure>", p=_picture(p, "")) for p in code["patches"]),
    )


def _weak(shown: View, me: Viewer) -> Html:
    """Slices that are told clearly worse than the rest."""
    rows = weak_rows(shown.found, me, figure)
    body = (
        table(heads(WEAK, "weak.", me), rows, numeric=(2, 3, 4))
        if rows
        else h('<p class="d-note">{w}</p>', w=me.text("tokens.weak.none"))
    )
    return join(
        [
            card_head(me.text("tokens.weak"), me.text("tokens.weak.caption"), me),
            h('<div id="tokens-weak">{b}</div>', b=body),
        ]
    )


def _pictures(codes: list[str], alts: list[str]) -> list[Html]:
    return [_picture(c, a) for c, a in zip(codes, alts, strict=True)]


def _picture(code: str, alt: str) -> Html:
    return png(base64.b64decode(code), alt)
