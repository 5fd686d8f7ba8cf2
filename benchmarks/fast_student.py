"""Do the options that cut the student's own work cost accuracy? `python -m benchmarks.fast_student
--out DIR`.

Pretrains D-iGPT on the built-in surfaces with decoders as deep and wide, for this student, as the
published ones; with one block of half the width; with half of the targets; and with both, over
several seeds. Exit 1 if both together lose significantly anywhere, 3 if cells are missing because
the minutes were over: the same call goes on.
"""

from dataclasses import replace

from benchmarks.ways import Ways, arguments_of, judge
from digpt.recipe import PRESETS

REFERENCE, BOTH = "published decoders", "one block of half the width, half of the targets"


def main(arguments: list[str] | None = None) -> int:
    options = arguments_of(__doc__).parse_args(arguments)
    named = ways(options.preset, options.images_seen)
    return judge(options, named, reference=REFERENCE, is_judged=lambda name: name == BOTH)


def ways(preset: str, images_seen: int) -> Ways:
    """The decoders are two blocks deep and 4/3 of the student's width, as for ViT-B (768, 1024)."""
    recipe = replace(PRESETS[preset].pretrain, images_seen=images_seen)
    heads = recipe.student.decoder_heads
    width = round(4 / 3 * recipe.student.dim / (4 * heads)) * 4 * heads  # sin-cos: fours per head
    full = replace(recipe.student, decoder_depth=2, decoder_dim=width)
    cut = replace(full, decoder_depth=1, decoder_dim=width // 2, decoder_heads=max(heads // 2, 1))
    return {
        REFERENCE: replace(recipe, student=full),
        BOTH: replace(recipe, student=cut, target_share=0.5),
        "one block of half the width": replace(recipe, student=cut),
        "half of the targets": replace(recipe, student=full, target_share=0.5),
    }


if __name__ == "__main__":
    raise SystemExit(main())
