"""Numbers for the command with which a training takes a second."""

_SIZES = ("image_size=16", "patch_size=4", "dim=16", "heads=2", "decoder_dim=16", "decoder_heads=2")
TINY = ["--preset", "smoke", "--set", *(f"student.{size}" for size in _SIZES), "batch_size=8"]
