"""The house theme: Gradio's own controls in the colours of `static/house.css`."""

from gradio.themes import Base

FONTS = (
    "Inter",
    "Noto Sans JP",
    "Noto Sans CJK JP",
    "Hiragino Sans",
    "Yu Gothic UI",
    "system-ui",
    "sans-serif",
)

# Gradio's token -> variable of house.css; the variables change with the theme, so the _dark twin
# of every token is the same variable.
_TOKENS = {
    "body_background_fill": "var(--bg)",
    "body_text_color": "var(--text)",
    "body_text_color_subdued": "var(--muted)",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--sunken)",
    "border_color_primary": "var(--line)",
    "border_color_accent": "var(--accent)",
    "border_color_accent_subdued": "var(--accent-soft)",
    "color_accent_soft": "var(--accent-soft)",
    "block_background_fill": "transparent",
    "block_border_color": "var(--line)",
    "block_label_background_fill": "transparent",
    "block_label_text_color": "var(--text)",
    "block_title_text_color": "var(--text)",
    "block_info_text_color": "var(--muted)",
    "panel_background_fill": "transparent",
    "panel_border_color": "var(--line)",
    "input_background_fill": "var(--surface)",
    "input_background_fill_focus": "var(--surface)",
    "input_background_fill_hover": "var(--surface)",
    "input_border_color": "var(--muted)",
    "input_border_color_focus": "var(--accent)",
    "input_border_color_hover": "var(--text)",
    "input_placeholder_color": "var(--muted)",
    "checkbox_background_color": "var(--surface)",
    "checkbox_background_color_selected": "var(--accent)",
    "checkbox_border_color": "var(--muted)",
    "checkbox_border_color_selected": "var(--accent)",
    "checkbox_border_color_focus": "var(--accent)",
    "checkbox_label_background_fill": "var(--surface)",
    "checkbox_label_background_fill_hover": "var(--sunken)",
    "checkbox_label_background_fill_selected": "var(--accent-soft)",
    "checkbox_label_border_color": "var(--line)",
    "checkbox_label_border_color_selected": "var(--accent)",
    "checkbox_label_text_color": "var(--text)",
    "checkbox_label_text_color_selected": "var(--text)",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent)",
    "button_primary_border_color": "var(--accent)",
    "button_primary_text_color": "var(--on-accent)",
    "button_secondary_background_fill": "var(--surface)",
    "button_secondary_background_fill_hover": "var(--sunken)",
    "button_secondary_border_color": "var(--line)",
    "button_secondary_text_color": "var(--text)",
    "button_cancel_background_fill": "var(--surface)",
    "button_cancel_background_fill_hover": "var(--no-bg)",
    "button_cancel_border_color": "var(--line)",
    "button_cancel_text_color": "var(--no)",
    "link_text_color": "var(--accent)",
    "link_text_color_hover": "var(--accent)",
    "link_text_color_visited": "var(--accent)",
    "link_text_color_active": "var(--accent)",
    "error_background_fill": "var(--no-bg)",
    "error_border_color": "var(--no)",
    "error_text_color": "var(--no)",
    "table_even_background_fill": "var(--surface)",
    "table_odd_background_fill": "var(--surface)",
    "table_border_color": "var(--line)",
    "table_row_focus": "var(--sunken)",
    "code_background_fill": "var(--sunken)",
    "stat_background_fill": "var(--accent)",
    "slider_color": "var(--accent)",
    "loader_color": "var(--accent)",
}
_SIZES = {
    "color_accent": "var(--accent)",  # has no twin
    "shadow_drop": "none",
    "shadow_drop_lg": "none",
    "block_border_width": "0px",
    "block_padding": "0px",
    "block_radius": "8px",
    "block_shadow": "none",
    "block_label_border_width": "0px",
    "block_title_text_size": "13px",
    "block_title_text_weight": "550",
    "block_info_text_size": "12.5px",
    "container_radius": "8px",
    "panel_border_width": "0px",
    "input_radius": "8px",
    "input_border_width": "1px",
    "input_padding": "7px 10px",
    "input_shadow": "none",
    "input_text_size": "14px",
    "checkbox_label_text_size": "13.5px",
    "checkbox_border_radius": "5px",
    "button_large_radius": "8px",
    "button_medium_radius": "8px",
    "button_small_radius": "8px",
    "button_large_padding": "9px 16px",
    "button_large_text_size": "14px",
    "button_large_text_weight": "600",
    "button_small_text_size": "13px",
    "layout_gap": "16px",
    "form_gap_width": "0px",
}


class House(Base):
    """Calm, precise, friendly: white cards on a quiet ground, one accent."""

    def __init__(self) -> None:
        super().__init__(font=list(FONTS), font_mono=["DejaVu Sans Mono", "monospace"])
        self.name = "house"
        twins = {f"{name}_dark": value for name, value in _TOKENS.items()}
        self.set(**_TOKENS, **twins, **_SIZES)
