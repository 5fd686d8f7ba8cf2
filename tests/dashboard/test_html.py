"""What users write never becomes HTML."""

from dashboard.html import Html, arm_chip, h, join, rich, table
from dashboard.text import Viewer


def test_values_are_escaped_and_html_is_not():
    assert h("<b>{a}{b}</b>", a="<i>", b=Html("<u>x</u>")) == "<b>&lt;i&gt;<u>x</u></b>"


def test_joined_text_is_escaped():
    assert join(["<", Html("<br>")]) == "&lt;<br>"


def test_bold_survives_in_a_sentence_but_markup_does_not():
    assert rich("**A** <script>") == "<b>A</b> &lt;script&gt;"


def test_attribute_values_cannot_break_out():
    assert '"><script>' not in h('<a href="{x}">', x='"><script>')


def test_table_cells_are_escaped():
    assert "<script>" not in table(["a"], [["<script>"]])


def test_an_arm_is_told_by_shape_as_well_as_colour():
    chips = [arm_chip("digpt × filters", look, Viewer()) for look in range(5)]
    shapes = {c.split("<svg")[1].split("</svg>")[0] for c in chips}
    assert len(shapes) == 5


def test_a_minus_is_not_parted_from_its_number():
    assert rich("a median of −$724k") == "a median of −\N{WORD JOINER}$724k"
