"""Step 2: every tokenizer as a card."""

from dashboard.html import NOTHING, Html, h, join, note, tag
from dashboard.licences import Facts, commercial_tag, licence_notes
from dashboard.pages.new.view import View
from dashboard.text import Viewer, has_text
from jobs.views import TokenizerView


def tokenizer_cards(shown: View, me: Viewer) -> Html:
    """Every tokenizer as a card; the chosen ones say so, those that are not ready say why."""
    cards = [_tokenizer_card(t, shown, me) for t in shown.tokenizers]
    cards += [_named_card(name, facts, me) for name, facts in shown.others.items()]
    return h('<div class="d-grid" id="new-tokenizer-cards">{cards}</div>', cards=join(cards))


def _named_card(name: str, facts: Facts, me: Viewer) -> Html:
    """A tokenizer that was added by its name."""
    return h(
        '<article class="d-card d-choice d-selected" data-pick="new-tokenizers" '
        'data-value="{n}"><div class="d-row"><h2>{n}</h2>{t}</div>'
        '<div class="d-row d-left">{use}</div>{notes}</article>',
        n=name,
        t=tag(f"✓ {me.text('new.chosen')}", "info"),
        use=commercial_tag(facts, me),
        notes=licence_notes(facts, me),
    )


def _tokenizer_card(item: TokenizerView, shown: View, me: Viewer) -> Html:
    chosen = item.name in shown.draft.tokenizers
    state = tag(f"✓ {me.text('new.chosen')}", "info") if chosen else NOTHING
    about = f"tokenizer.{item.family}"
    tags = [commercial_tag(item, me)]
    if item.is_discrete:
        tags.append(tag(me.text("new.discrete"), "mute"))
    return h(
        '<article class="d-card d-choice {sel}" data-pick="new-tokenizers" data-value="{name}">'
        '<div class="d-row"><h2>{name}</h2>{state}</div><p class="d-note">{what}</p>'
        '<div class="d-row d-left">{tags}</div>{notes}{remark}</article>',
        sel="d-selected" if chosen else "",
        name=item.name,
        state=state,
        what=me.text(about) if has_text(about) else item.description,
        tags=join(tags),
        notes=licence_notes(item, me),
        remark=_tokenizer_remark(item, me),
    )


def _tokenizer_remark(item: TokenizerView, me: Viewer) -> Html:
    """Why it is not ready, or what to know before it is chosen."""
    if not item.remark:
        return NOTHING
    key = f"new.remark.{item.remark}"
    why = me.text(key) if has_text(key) else item.remark
    return note(why if item.ready else me.text("new.not-ready", why=why), "more")
