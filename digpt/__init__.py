"""D-iGPT and its baselines: data, tokenizers, models, pretraining, transfer, evaluation."""

__version__ = "0.1.0"
