"""Does token quality tell the truth?

`python -m benchmarks.token_quality_validity FOLDER --data DIR` holds every measure against the
students of `benchmarks.validity_students` in FOLDER: mean within-dataset Spearman over one
tokenizer of each family, bootstrap over datasets, and regret, the fine-tuned accuracy lost by
taking the measure's first choice of all tokenizers. "fitted" is a mix of measures whose weights
come from the other datasets, each left out in turn. Token cells that FOLDER/tokens.jsonl lacks are
measured first.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.validity_students import (
    SETTINGS,
    TOKENIZERS,
    add_line,
    fitted,
    lines,
    prepared,
)
from digpt.reporter import Quiet
from digpt.tokenizers.names import parse
from digpt.tokenizers.quality import check

MEASURES = (
    "decodability",
    "token_decodability",
    "agreement",
    "stability",
    "pixels",
    "surroundings",
    "effective_rank",
)
MIXED = MEASURES[:6]
RIDGE = 5.0  # of the fitted mix: six weights on some thirty cells
DRAWS = 2_000

Cells = Mapping[tuple[str, str], Mapping[str, float]]  # dataset, tokenizer -> measures and truth
Score = Callable[[str], Mapping[str, float]]  # dataset -> tokenizer -> the higher, the better


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    measure_missing(options.folder, options.data)
    cells = joined(options.folder)
    print("measure | Spearman (95% over datasets) | median regret, points | largest")
    for name, score in scores(cells).items():
        rho, low, high = rank_correlation(cells, score)
        lost = [100 * regret(cells, score, d) for d in datasets_of(cells)]
        print(
            f"{name} | {rho:+.2f} ({low:+.2f} to {high:+.2f}) | {np.median(lost):.1f} | "
            f"{max(lost):.1f}"
        )
    return 0


def measure_missing(folder: Path, data: Path) -> None:
    out = folder / "tokens.jsonl"
    done = {(c["dataset"], c["tokenizer"]) for c in lines(out)}
    for setting in SETTINGS:
        for name in TOKENIZERS:
            if (setting.name, name) in done:
                continue
            dataset = prepared(setting, data, folder)
            tokenizer = fitted(parse(name), setting, dataset, folder)
            started = time.monotonic()
            quality = asdict(check(tokenizer, dataset, reporter=Quiet()))
            seconds = round(time.monotonic() - started, 2)
            cell = {"dataset": setting.name, "tokenizer": name, "seconds": seconds}
            add_line(out, cell | {"quality": quality})


def joined(folder: Path) -> Cells:
    """Measures and truth of every cell that has both."""
    truth = {(c["dataset"], c["tokenizer"]): c for c in lines(folder / "students.jsonl")}
    found = {}
    for cell in lines(folder / "tokens.jsonl"):
        key = (cell["dataset"], cell["tokenizer"])
        if key in truth:
            found[key] = _values(cell["quality"], truth[key])
    return found


def _values(quality: Mapping[str, Any], student: Mapping[str, Any]) -> dict[str, float]:
    values = {m: quality[m]["value"] for m in MEASURES}
    chance = quality["chance"]
    above = [max((values[m] - chance) / (1 - chance), 0) for m in MEASURES[:2]]
    return values | {
        "index": sum(above) / 2,
        "deep": student["deep"],
        "truth": float(np.mean(student["finetuned"])),
    }


def scores(cells: Cells) -> dict[str, Score]:
    """Each measure alone, the index, the deep check, the fitted mix, and a fixed choice."""
    alone = {m: _alone(cells, m) for m in ("index", *MEASURES, "deep")}
    return {**alone, "fitted": lambda d: _mixed(cells, d), "always filters": _always(cells)}


def rank_correlation(cells: Cells, score: Score) -> tuple[float, float, float]:
    """Mean within-dataset Spearman over families, with its interval over datasets."""
    from scipy.stats import spearmanr  # noqa: PLC0415 - seconds

    found = []
    for dataset in datasets_of(cells):
        given = score(dataset)
        names = [n for n in given if n.partition(":")[0] != "codebook" or n.endswith("(filters)")]
        rho = spearmanr([given[n] for n in names], [cells[dataset, n]["truth"] for n in names])
        found.append(np.nan_to_num(rho.statistic))
    drawn = np.random.default_rng(0).choice(found, (DRAWS, len(found))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.mean(found)), float(low), float(high)


def regret(cells: Cells, score: Score, dataset: str) -> float:
    """Accuracy lost on a dataset by the first choice."""
    given = score(dataset)
    truths = {n: cells[dataset, n]["truth"] for n in given}
    return max(truths.values()) - truths[max(given, key=lambda n: given[n])]


def datasets_of(cells: Cells) -> list[str]:
    return list(dict.fromkeys(d for d, _ in cells))


def _names(cells: Cells, dataset: str) -> list[str]:
    return [n for d, n in cells if d == dataset]


def _alone(cells: Cells, measure: str) -> Score:
    return lambda d: {n: cells[d, n][measure] for n in _names(cells, d)}


def _always(cells: Cells) -> Score:
    return lambda d: {n: float(n == "filters") for n in _names(cells, d)}


def _mixed(cells: Cells, left_out: str) -> dict[str, float]:
    """Ridge weights of standardised measures, learned on the other datasets."""
    seen = [_standard(cells, d) for d in datasets_of(cells) if d != left_out]
    x, y = np.concatenate([s[0] for s in seen]), np.concatenate([s[1] for s in seen])
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    given = _standard(cells, left_out)[0] @ weights
    return dict(zip(_names(cells, left_out), given.tolist(), strict=True))


def _standard(cells: Cells, dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Measures (tokenizers, measures) and truth (tokenizers,), standardised within the dataset."""
    rows = [cells[dataset, n] for n in _names(cells, dataset)]
    values = np.array([[r[m] for m in (*MIXED, "truth")] for r in rows])
    standard = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    return standard[:, :-1], standard[:, -1]


if __name__ == "__main__":
    raise SystemExit(main())
