"""A service with invented but consistent figures, so that pages can be tried without an engine."""

import base64
import io
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from digpt.data import difference
from digpt.data.difference import Difference
from digpt.data.health import Finding, Health
from digpt.data.problems import Problem, problem
from digpt.data.reasons import reason
from digpt.data.remarks import Remark, remark
from digpt.errors import UserError
from digpt.recipe import PRESETS
from digpt.tokenizers.code_curve import CodeCurve, CodePoint
from jobs import deep, governance
from jobs.computing import ComputeView, Wish, compute_view
from jobs.deciding import DecisionView, decision_views, parse_actual, record
from jobs.money.estimate import Calibration
from jobs.money.pricing import PriceTable
from jobs.money.scale import devices
from jobs.roi.case import converted, in_currency, parse_case
from jobs.roi.changes import Change, changes
from jobs.roi.evaluate import CaseResult, evaluate_case
from jobs.roi.evidence import ArmEvidence
from jobs.roi.headline import Headline, headline
from jobs.roi.schema import Case
from jobs.roi.templates import case_template
from jobs.spec import DatasetRef, PilotSpec, to_yaml
from jobs.store.records import (
    ActualRecord,
    ArmRecord,
    DecisionRecord,
    PilotRecord,
    PilotStage,
)
from jobs.uploads import Upload
from jobs.views import (
    ArmEstimateView,
    ArmView,
    Cluster,
    Curve,
    DatasetVersion,
    DatasetView,
    EstimateView,
    GainView,
    LicenceAccepted,
    LogLine,
    PilotCard,
    PilotView,
    Progress,
    Provenance,
    Range,
    StageEstimateView,
    StageView,
    TokenizerView,
    TokenMapRow,
    TokenMaps,
)

NOW = datetime.now(UTC)
PRICES = PriceTable.load()
ARMS = (
    ("frozen × domain-clip", "frozen", "domain-clip", 0, 0.842, 0.09, 0.42),
    ("digpt × domain-clip", "digpt", "domain-clip", 1, 0.889, 0.86, 3.85),
    ("digpt × filters", "digpt", "filters", 2, 0.871, 0.69, 3.10),
    ("masked × pixels", "masked", "pixels", 3, 0.801, 0.58, 2.60),
    ("scratch", "scratch", None, 4, 0.688, 0.21, 0.95),
)
CLASSES = ("normal", "scratch", "crack", "pitting", "stain", "dent", "missing", "shifted")


class Listing(NamedTuple):
    items: list[PilotCard]
    total: int


class ImportResult(NamedTuple):
    dataset: str | None
    version: int | None
    format: str
    counts: dict[str, Any]
    problems: tuple[Problem, ...]
    task: str = "classification"
    formats: tuple[Remark, ...] = (remark("as-classes", source="folder"),)


def picture(seed: int, size: int = 64) -> bytes:
    """A PNG with a texture and a blob."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size
    waves = 0.5 + 0.2 * np.sin(9 * rows + seed) * np.cos(7 * columns - seed)
    blob = np.exp(-((rows - rng.random()) ** 2 + (columns - rng.random()) ** 2) / 0.01)
    grey = np.clip(waves - 0.5 * blob + 0.05 * rng.standard_normal((size, size)), 0, 1)
    return _png(np.stack([grey, grey * 0.95, grey * 0.9], axis=-1))


def tokens(seed: int, size: int = 4) -> bytes:
    """A PNG of a token grid."""
    colours = np.array([[68, 119, 170], [238, 102, 119], [34, 136, 51], [204, 187, 68]]) / 255
    picked = np.random.default_rng(seed).integers(0, 4, (size, size))
    return _png(np.kron(colours[picked], np.ones((16, 16, 1))))


def _png(values: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray((255 * values).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def dataset(name: str = "surfaces", **changes: Any) -> DatasetView:
    splits = {"pool": 6000, "train": 2400, "val": 800, "test": 800}
    values: dict[str, Any] = dict(
        name=name,
        version=None,
        builtin=True,
        images=sum(splits.values()),
        classes=CLASSES,
        good_classes=("normal",),
        counts={s: {c: n // 8 for c in CLASSES} for s, n in splits.items()},
        caption_columns=("caption",),
        captioned={"caption": 8400},
        caption_names_class={"caption": 0.0},
        attributes=("material", "light"),
        groups=400,
        source="built in",
        licence="CC0",
        notes=(Remark("Procedural surfaces, split by part."),),
        warnings=(),
        fingerprint="abc",
    )
    return DatasetView(**(values | changes))


def card(ident: str = "p1", **changes: Any) -> PilotCard:
    values: dict[str, Any] = dict(
        id=ident,
        name="Surface inspection, line 2",
        status="done",
        archived=False,
        dataset="surfaces",
        images=10_000,
        classes=8,
        created_at=NOW - timedelta(hours=2),
        ended_at=NOW - timedelta(minutes=30),
        progress=Progress(
            share=1.0,
            stages_done=48,
            stages_reused=14,
            stages_failed=0,
            stages_total=48,
            eta_seconds=None,
        ),
        spent=11.01,
        limit=20.0,
        currency="USD",
        arms=5,
        seeds=3,
        gain=gain(),
        best_arm="digpt × domain-clip",
        verdict="GO",
    )
    return PilotCard(**(values | changes))


def gain(value: float = 0.047, low: float = 0.021, high: float = 0.072) -> GainView:
    return GainView(
        arm="digpt × domain-clip",
        look=1,
        baseline="frozen × domain-clip",
        metric="balanced_accuracy",
        protocol="finetune",
        label_budget="20",
        value=value,
        low=low,
        high=high,
    )


def running(ident: str = "p4", share: float = 0.62) -> PilotCard:
    progress = Progress(
        share=share,
        stages_done=31,
        stages_reused=9,
        stages_failed=0,
        stages_total=48,
        eta_seconds=Range(likely=360, low=240, high=540),
    )
    return card(
        ident,
        name="Board detection",
        status="running",
        dataset="digits",
        images=1797,
        classes=10,
        ended_at=None,
        progress=progress,
        spent=3.1,
        gain=None,
        best_arm=None,
        verdict=None,
    )


def cards() -> list[PilotCard]:
    no = card(
        "p2",
        name="Shelf products, Kansai <b>",
        verdict="NO-GO",
        gain=gain(-0.004, -0.026, 0.017),
        best_arm="frozen × domain-clip",
        created_at=NOW - timedelta(days=1),
        ended_at=NOW - timedelta(days=1),
        spent=9.0,
    )
    more = card(
        "p3",
        name="Nuclei",
        verdict="COLLECT MORE",
        gain=gain(0.023, -0.008, 0.055),
        created_at=NOW - timedelta(days=5),
        ended_at=NOW - timedelta(days=5),
        spent=14.0,
    )
    return [running(), card(), no, more]


def arms(status: str = "done") -> tuple[ArmView, ...]:
    return tuple(
        ArmView(
            name=name,
            method=method,
            tokenizer=tokenizer,
            look=look,
            status=status,
            is_cheap_baseline=method == "frozen",
            sees_labels=False,
        )
        for name, method, tokenizer, look, *_ in ARMS
    )


def stages(live: bool) -> tuple[StageView, ...]:
    """One stage per arm and kind that it needs; live: some still run."""
    found = [_stage("prepare", tuple(a[0] for a in ARMS), "surfaces", "reused")]
    for name, method, tokenizer, *_ in ARMS:
        if tokenizer:
            found.append(
                _stage("tokenize", (name,), tokenizer, "reused" if method != "digpt" else "done")
            )
        if method in ("digpt", "masked"):
            found.append(_stage("pretrain", (name,), "seed 1", "running" if live else "done"))
        waiting = live and method in ("digpt", "masked")
        for kind in ("features", "probe", "knn", "finetune"):
            found.append(_stage(kind, (name,), "seed 1", "waiting" if waiting else "done"))
        found.append(_stage("evaluate", (name,), "", "waiting" if waiting else "done"))
    return tuple(found)


def _stage(kind: str, of: tuple[str, ...], label: str, state: str) -> StageView:
    return StageView(
        key=f"{kind}-{'-'.join(of)}",
        kind=kind,
        arms=of,
        label=label,
        state=state,
        done=412 if state == "running" else 625,
        total=625,
        device_seconds=0.0 if state in ("waiting", "reused") else 72.0,
        money=0.0 if state in ("waiting", "reused") else 0.09,
        started_at=NOW - timedelta(minutes=20) if state != "waiting" else None,
        ended_at=NOW - timedelta(minutes=18) if state in ("done", "reused") else None,
        attempts=1,
        eta_seconds=Range(likely=180, low=150, high=220) if state == "running" else None,
        error=None,
    )


def code_curve(base: str, codes: Sequence[int]) -> CodeCurve:
    points = tuple(
        CodePoint(codes=k, nmi=0.02 * i, nmi_by_chance=0.01, perplexity=0.8 * k,
                  coverage=1.0 - 0.1 * i, explained=0.3 + 0.1 * i, seconds=1.0)
        for i, k in enumerate(codes)
    )  # fmt: skip
    return CodeCurve(
        base=base, images=500, points=points, suggested=codes[1], left_out=(1024,), fitted=1600
    )


def deep_view() -> deep.DeepView:
    over = Range(likely=0.12, low=0.05, high=0.19)
    return deep.DeepView(
        pilot="p1",
        status="done",
        progress=Progress(share=1.0, stages_done=9, stages_reused=0, stages_failed=0,
                          stages_total=9, eta_seconds=None),
        images_seen=20_000,
        labels=20,
        arms=tuple(
            deep.DeepArm(tokenizer=name, protocol=protocol,
                         accuracy=Range(likely=value, low=value - 0.04, high=value + 0.04),
                         over_scratch=over if name else None,
                         over_random=over if name == "filters" else None)
            for protocol in deep.PROTOCOLS
            for name, value in ((None, 0.31), ("random", 0.43), ("filters", 0.55))
        ),
    )  # fmt: skip


def estimate() -> EstimateView:
    kinds = (
        ("prepare", 1, 1, 0, 0),
        ("tokenize", 3, 1, 240, 0.31),
        ("pretrain", 9, 0, 1260, 7.6),
        ("probe", 15, 4, 300, 1.1),
        ("finetune", 15, 4, 240, 1.8),
        ("evaluate", 15, 0, 120, 0.2),
    )
    rows = tuple(
        StageEstimateView(
            kind=kind,
            count=count,
            cached=cached,
            device_seconds=Range(likely=s, low=0.8 * s, high=1.25 * s),
            money=Range(likely=m, low=0.8 * m, high=1.25 * m),
        )
        for kind, count, cached, s, m in kinds
    )
    return EstimateView(
        stages=rows,
        arms=tuple(
            ArmEstimateView(name=n, method=m, tokenizer=t, look=k, seeds=3, money=cost)
            for n, m, t, k, _, _, cost in ARMS
        ),
        wall_seconds=Range(likely=2160, low=1680, high=2760),
        device_seconds=Range(likely=2160, low=1680, high=2760),
        money=Range(likely=11.01, low=8.9, high=13.74),
        currency="USD",
        energy_kwh=Range(likely=0.9, low=0.7, high=1.1),
        reused_stages=9,
        total_stages=58,
        saved_by_reuse=3.2,
        basis="calibration",
        rate_shown="",
        limit_money=20.0,
        limit_hours=2.0,
        warnings=({"code": "no-history"},),
    )


def health() -> Health:
    """One finding of each severity, with hostile names."""
    leak = tuple(f"{split}/<i>{i}.png" for i in range(3) for split in ("train", "test"))
    return Health(
        images=10_000,
        embedded=True,
        findings=(
            Finding(
                code="exact-leak",
                severity="error",
                count=39,
                facts={"sets": 3},
                files=leak,
                remarks=("train", "test") * 3,
                sets=tuple(zip(leak[::2], leak[1::2], strict=True)),
            ),
            Finding(
                code="label-suspects",
                severity="warning",
                count=2,
                facts={"accuracy": 0.91},
                files=("a.png", "b.png"),
                remarks=("dent → crack", "stain → normal"),
            ),
            Finding(
                code="near-duplicates",
                severity="note",
                count=2,
                facts={"sets": 1},
                files=("c.png", "d.png"),
                remarks=("train", "train"),
                sets=(("c.png", "d.png"),),
            ),
        ),
    )


def token_quality(name: str) -> dict[str, Any]:
    """What a check of a tokenizer finds, invented; names that sort later are better."""
    level = 0.2 + 0.05 * len(name) % 0.5
    measure = {"value": level, "low": level - 0.02, "high": level + 0.02}
    drawn = base64.b64encode(picture(0)).decode()
    codes = [{"number": 3, "share": 0.02, "label": "<i>dent", "lift": 2.5, "patches": [drawn] * 3}]
    is_code = name.startswith("codebook")
    shares = ("decodability", "token_decodability", "agreement", "stability", "pixels")
    return {
        "tokenizer": name,
        "index": {k: 100 * v for k, v in measure.items()},
        **dict.fromkeys((*shares, "surroundings"), measure),
        "effective_rank": {"value": 31.0, "low": 30.0, "high": 32.0},
        "perplexity": {"value": 60.0, "low": 55.0, "high": 65.0} if is_code else None,
        "label_information": measure if is_code else None,
        "dead_codes": 4 if is_code else None,
        "chance": 0.125,
        "images": 1000,
        "labelled_images": 1000,
        "images_per_second": 800.0,
        "tuned": {
            "captions": "caption",
            "retrieval_images": 200,
            "retrieval_choices": 640,
            "zero_shot_choices": 8,
            "samples_seen": 8_000,
            "names_class_share": 0.25,
            "retrieval_before": 0.05,
            "retrieval_after": 0.61,
            "retrieval_low": 0.48,
            "retrieval_high": 0.63,
            "zero_shot_before": 0.1,
            "zero_shot_after": 0.42,
        }
        if name.startswith("domain-clip(")
        else None,
        "cost_per_1000": 0.0004,
        "currency": "USD",
        "weakest": [
            {"column": "camera", "value": "<b>B", "images": 90, "accuracy": 0.4, "gap": measure}
        ],
        "pictures": {
            "photos": [drawn] * 2,
            "captions": ["dent", "<b>scratch"],
            "maps": [drawn] * 2,
            "neighbours": [{"photo": drawn, "label": "dent", "near": [drawn], "labels": ["dent"]}],
            "codes": codes if is_code else [],
        },
    }


class FakeService:
    """The service's answers from memory. `shown` are the pilots it knows."""

    def __init__(self, shown: list[PilotCard] | None = None) -> None:
        self.shown = cards() if shown is None else shown
        self.called: list[tuple[str, Any]] = []
        self.settings = SimpleNamespace(roots=(Path("/data"),))
        self.cases: dict[str, Any] = {}
        self.named: dict[str, dict[str, Case]] = {}
        self.fixed: dict[str, Case] = {}
        self.decided: list[DecisionRecord] = []
        self.came: list[ActualRecord] = []
        self.measured = False
        self._evidence = evidence()
        self.healths: dict[str, Health] = {}
        self.tokens_known = False
        self.deep_known = False
        self.curve: CodeCurve | None = None
        self.accepted: tuple[LicenceAccepted, ...] = ()
        self.sets = [dataset(), dataset("digits", images=1797, classes=tuple("0123456789"))]

    def known_tokens(self, dataset: str, names: Sequence[str]) -> list[dict[str, Any]]:
        return [token_quality(n) for n in names] if self.tokens_known else []

    def check_tokens(
        self, dataset: str, names: Sequence[str], reporter: Any = None, accepted: Any = ()
    ) -> list[dict[str, Any]]:
        self.called.append(("check_tokens", (tuple(names), tuple(accepted))))
        self.tokens_known = True
        return self.known_tokens(dataset, names)

    def deep_spec(self, dataset: str, tokenizers: Sequence[str]) -> PilotSpec:
        return deep.spec_of(DatasetRef(name=dataset), tokenizers, 20_000)

    def known_deep(self, dataset: str) -> deep.DeepView | None:
        return deep_view() if self.deep_known else None

    def deep_check(
        self, dataset: str, tokenizers: Sequence[str], reporter: Any = None, accepted: Any = ()
    ) -> deep.DeepView:
        self.deep_known = True
        return deep_view()

    def known_curve(self, dataset: str, base: str, codes: Sequence[int]) -> CodeCurve | None:
        return self.curve

    def code_curve(
        self, dataset: str, base: str, codes: Sequence[int], reporter: Any = None,
        accepted: Any = (),
    ) -> CodeCurve:  # fmt: skip
        self.curve = code_curve(base, codes)
        return self.curve

    def datasets(self) -> list[DatasetView]:
        return self.sets

    def dataset(self, name: str, version: int | None = None) -> DatasetView:
        return next(d for d in self.sets if d.name == name)

    def thumbnails(self, name: str, n: int = 24) -> list[tuple[str, bytes]]:
        first = 0 if name == "surfaces" else 50
        return [(CLASSES[i % 8], picture(first + i)) for i in range(n)]

    def import_dataset(
        self, source: Path, *, name: str, task: str = "classification", dry_run: bool = False,
        skip_bad: bool = False, origin: str = "", licence: str = "", reporter: Any = None,
    ) -> ImportResult:  # fmt: skip
        self.called.append(("import", (str(source), name, dry_run, skip_bad)))
        if "missing" in str(source):
            raise UserError(f"There is no folder {source}.", code="missing-file", field="source")
        problems = (
            problem(
                "image-unreadable", "crack/007.png", index=7, total=40, reason=reason("truncated")
            ),
            problem("class-few", "", label="dent", count=4, least=5),
        )
        if dry_run:
            return ImportResult(None, None, "class folders", {"train": {"crack": 40}}, problems)
        self.sets.append(dataset(name, builtin=False, version=1))
        return ImportResult(name, 1, "class folders", {"train": {"crack": 39}}, problems)

    def import_from_server(self, path: str, **options: Any) -> ImportResult:
        return self.import_dataset(Path(path), **options)

    def import_upload(self, key: str, **options: Any) -> ImportResult:
        return self.import_dataset(Path(f"{key}.zip"), **options)

    def upload(self, key: str) -> Upload:
        return Upload(key=key, name=f"{key}.zip", size=10, received=10)

    def server_folders(self, path: str) -> list[str]:
        return [path or "/data", "/data/parts"]

    def tokenizers(self, dataset: str | None = None) -> list[TokenizerView]:
        rows = (
            ("domain-clip", "CLIP trained on the domain's own images", "", True, True, True, ""),
            ("filters", "Gabor and colour filters per patch", "", False, False, True, ""),
            ("pixels", "Raw patches", "", False, False, True, ""),
            ("hog", "Edges by hand, no network", "", False, False, True, ""),
            ("random", "Untrained network, a control", "", False, False, True, ""),
            ("clip:ViT-B-32@laion2b_s34b_b79k", "General recogniser", "MIT", True, False, False,
             "needs-weights"),
        )  # fmt: skip
        return [
            TokenizerView(
                name=name,
                family=name.split(":")[0],
                description=description,
                licence=licence,
                needs_weights=weights,
                needs_captions=captions,
                is_discrete=False,
                ready=ready,
                remark=remark,
            )
            for name, description, licence, weights, captions, ready, remark in rows
        ]

    def dataset_card(self, name: str, version: int | None = None) -> dict[str, Any]:
        shown = asdict(self.dataset(name))
        return shown | {
            "task": "classification",
            "image_size": [64, 64],
            "captions": {"caption": {"share": 1.0, "distinct": 812, "words": 9, "example": "a"}},
            "attribute_values": {
                "material": {"distinct": 2, "values": {"steel": 6000, "<b>glass": 4000}},
                "light": {"min": 0.1, "max": 0.9},
            },
        }

    def known_health(self, name: str, version: int | None = None) -> Health | None:
        return self.healths.get(name)

    def health(self, name: str, version: int | None = None, reporter: Any = None) -> Health:
        for done in range(20):
            reporter.check()
            reporter.progress(500 * done, 10_000)
            time.sleep(0.1)
        self.healths[name] = health()
        return self.healths[name]

    def dataset_versions(self, name: str) -> list[DatasetVersion]:
        if self.dataset(name).builtin:
            return []
        return [
            DatasetVersion(
                version=n,
                fingerprint=f"{n}f" * 32,
                created_at=NOW - timedelta(days=3 - n),
                images=9_000 + 500 * n,
                pilots=("p1", "p3") if n == 1 else (),
            )
            for n in (2, 1)
        ]

    def dataset_difference(self, name: str, before: int, after: int) -> Difference:
        none = difference.Change(count=0, files=())
        return Difference(
            unchanged=9_480,
            added=difference.Change(count=500, files=("dent/<9>.png", "dent/10.png")),
            removed=none,
            pictures=none,
            labels=difference.Change(count=1, files=("a.png",), remarks=("dent → crack",)),
            splits=none,
        )

    def pictures(self, name: str, files: Any) -> dict[str, bytes]:
        return {file: picture(i) for i, file in enumerate(files)}

    def licence_facts(self, tokenizer: str) -> governance.Facts:
        return governance.facts(tokenizer)

    def licences_accepted(self, subject: str) -> tuple[LicenceAccepted, ...]:
        return self.accepted

    def forbidden(self, spec: PilotSpec) -> list[str]:
        return governance.forbidden(governance.recognisers(spec))

    def estimate(self, spec: PilotSpec) -> EstimateView:
        self.called.append(("estimate", spec))
        return estimate()

    def submit(self, spec: PilotSpec) -> str:
        self.called.append(("submit", spec))
        self.shown.insert(0, replace(running("p9", 0.0), name=spec.name))
        return "p9"

    def pilots(self, *, status: str | None = None, search: str = "", page: int = 1, size: int = 20,
               archived: bool = False) -> Listing:  # fmt: skip
        found = [c for c in self.shown if c.archived == archived and status in (None, c.status)]
        found = [c for c in found if search.lower() in c.name.lower()]
        return Listing(found[(page - 1) * size : page * size], len(found))

    def pilot(self, id: str) -> PilotView:
        found = next((c for c in self.shown if c.id == id), None)
        if found is None:
            raise UserError(f"There is no pilot {id!r}.", code="unknown-pilot", field="pilot")
        live = found.status == "running"
        spec = {
            "name": found.name,
            "dataset": {"name": found.dataset},
            "arms": [{"method": m, **({"tokenizer": t} if t else {})} for _, m, t, *_ in ARMS],
            "preset": "quick",
        }
        return PilotView(
            card=found,
            spec_yaml=to_yaml(PilotSpec.model_validate(spec)),
            arms=arms("running" if live else "done"),
            stages=stages(live),
            estimate=estimate(),
            elapsed_seconds=1320.0,
            device_seconds=2400.0,
            money=found.spent,
            money_stand_alone=14.2,
            energy_kwh=0.9,
            error=None,
            restarts=1,
        )

    def curves(self, id: str) -> list[Curve]:
        steps = tuple(range(0, 626, 25))
        return [
            Curve(
                arm=name,
                look=look,
                seed=0,
                state="done" if id == "p1" else "running",
                steps=steps,
                values=tuple(2 * (0.4 + 0.1 * look + 0.6 * math.exp(-s / 150)) for s in steps),
            )
            for name, method, _, look, *_ in ARMS
            if method in ("digpt", "masked")
        ]

    def logs(self, id: str, *, level: str | None = None, limit: int = 200) -> list[LogLine]:
        lines = [
            LogLine(
                at=NOW, level="info", stage="pretrain seed 1", text="step 412 of 625, loss 0.612"
            ),
            LogLine(
                at=NOW, level="warning", stage="pretrain seed 1", text="worker lost; <resumed>"
            ),
        ]
        return [line for line in lines if level in (None, line.level)]

    def cancel(self, id: str) -> None:
        self.called.append(("cancel", id))
        self.shown = [replace(c, status="cancelled") if c.id == id else c for c in self.shown]

    def retry(self, id: str) -> None:
        self.called.append(("retry", id))

    def archive(self, id: str) -> None:
        self.called.append(("archive", id))

    def clone(self, id: str) -> PilotSpec:
        from jobs.spec import load_spec  # noqa: PLC0415 - only here

        spec = load_spec(self.pilot(id).spec_yaml)
        return spec.model_copy(update={"name": f"{spec.name} (2)"})

    def compare(self, ids: list[str]) -> pd.DataFrame:
        return pd.DataFrame([row for ident in ids for row in _rows(ident)])

    def differences(
        self, id: str, *, protocol: str, label_budget: str, metric: str
    ) -> pd.DataFrame:
        rows = []
        for i, first in enumerate(ARMS):
            for second in ARMS[i + 1 :]:
                d = first[4] - second[4]
                p = 0.3 if abs(d) < 0.02 else 0.0004
                rows.append((first[0], second[0], d, d - 0.02, d + 0.02, p, min(1.0, 3 * p)))
        names = ["arm_a", "arm_b", "difference", "low", "high", "p", "p_holm"]
        return pd.DataFrame(rows, columns=names)

    def gains(self, id: str, *, protocol: str, label_budget: str, metric: str) -> pd.DataFrame:
        base = ARMS[0]
        rows = [
            (
                a[0],
                base[0],
                a[4] - base[4],
                a[4] - base[4] - 0.024,
                a[4] - base[4] + 0.024,
                "cheap baseline",
            )
            for a in ARMS[1:]
        ]
        return pd.DataFrame(rows, columns=["arm", "baseline", "difference", "low", "high", "kind"])

    def token_maps(self, id: str, n: int = 4) -> TokenMaps | None:
        return TokenMaps(
            photos=tuple(picture(i) for i in range(n)),
            captions=CLASSES[:n],
            rows=tuple(
                TokenMapRow(
                    tokenizer=name, look=look, images=tuple(tokens(look * 9 + i) for i in range(n))
                )
                for name, look in (("domain-clip", 1), ("filters", 2))
            ),
        )

    def roi(self, id: str, case: Case) -> CaseResult:
        return evaluate_case(case, self._evidence, draws=2000)

    def headline(self, id: str, case: Case) -> Headline | None:
        return headline(case, self._evidence, draws=2000)

    def label_table(self, id: str, count: int, split: str) -> str:
        if count > 1000:
            raise UserError("No more.", code="no-unlabelled", name="parts", count=count)
        return f"file,label,split\n{count}.png,,{split}\n"

    def case_template(self, id: str, name: str, currency: str = "") -> Case:
        return case_template(
            name, currency=currency or "USD", prices=PRICES, good_classes=("normal",)
        )

    def currencies(self) -> list[str]:
        return ["EUR", "JPY", "USD"]

    def in_currency(self, case: Case, currency: str) -> Case:
        return in_currency(case, currency, PRICES)

    def in_own_currency(self, case: Case) -> Case:
        return converted(case, PRICES)

    def provenance(self, id: str, case: Case | None = None) -> Provenance:
        return Provenance(
            dataset=dataset(next(c.dataset for c in self.shown if c.id == id)),
            dataset_version=None,
            fingerprint="abcdef0123456789" * 4,
            prices_date=PRICES.date,
            rates_date=PRICES.rates.date,
            rates_source=PRICES.rates.source,
            rates=(),
        )

    def saved_case(self, id: str) -> Case | None:
        return self.cases.get(id)

    def save_case(self, id: str, case: Case, name: str = "") -> None:
        if name:
            self.named.setdefault(id, {})[name] = case
        else:
            self.cases[id] = case

    def scenarios(self, id: str) -> dict[str, Case]:
        return self.named.get(id, {})

    def remove_scenario(self, id: str, name: str) -> None:
        del self.named[id][name]

    def case_changes(self, id: str, case: Case) -> tuple[Change, ...] | None:
        fixed = self.fixed.get(id)
        return changes(fixed, case) if fixed else None

    def decide(
        self, id: str, case: Case, note: str, who: str, choice: str | None = None
    ) -> DecisionView:
        pilot = PilotRecord(
            id=id, name="x", spec={}, dataset="surfaces", status="done", created_at=0.0,
            started_at=None, ended_at=None, cancel_requested=False, archived=False, error=None,
            card=None,
        )  # fmt: skip
        content = record(
            pilot, case, self.roi(id, case), fixed=self.fixed.get(id), prices=PRICES,
            choice=choice, note=note, who=who,
            previous=self.decided[-1].decision["digest"] if self.decided else "",
        )  # fmt: skip
        number = len(self.decided) + 1
        self.decided.append(
            DecisionRecord(
                id=number, pilot_id=id, case_id=None, who=who, decision=content,
                created_at=NOW.timestamp(),
            )
        )  # fmt: skip
        return self.decisions(id)[0]

    def decisions(self, id: str) -> list[DecisionView]:
        return decision_views([d for d in self.decided if d.pilot_id == id], self.came)

    def enter_actual(self, decision: int, values: dict[str, Any], who: str) -> DecisionView:
        actual = parse_actual(values).model_dump(mode="json")
        self.came.append(
            ActualRecord(
                id=len(self.came), decision_id=decision, who=who, actual=actual,
                created_at=NOW.timestamp(),
            )
        )  # fmt: skip
        return next(d for d in self.decisions("p1") if d.id == decision)

    def price_of_seeds(self, id: str, more: int, currency: str) -> float:
        return 11.0

    def compute(
        self, id: str, wish: Wish | None = None, *, arm: str | None = None, measure: bool = False,
        currency: str | None = None,
    ) -> ComputeView:  # fmt: skip
        self.measured = self.measured or measure
        return compute_view(
            [ArmRecord(name=n, method=m, tokenizer=t, look=k) for n, m, t, k, *_ in ARMS],
            metered(),
            PRESETS["quick"],
            latencies() if self.measured else [],
            wish=wish or Wish(),
            calibration=Calibration("cpu", 2, 120.0),
            prices=PRICES,
            currency=currency or "USD",
            arm=arm,
        )

    def compute_devices(self) -> list[str]:
        return devices(PRICES)

    def default_case(self, id: str) -> Case:
        return parse_case(RANGED_CASE)

    def cluster(self) -> Cluster:
        return Cluster(
            alive=True,
            supervisor=True,
            slots=2,
            busy=1,
            devices=("cpu", "cpu"),
            disk_free_bytes=53_000_000_000,
            home="home",
            queue=0,
        )


def _rows(ident: str) -> list[dict[str, Any]]:
    """Rows of `compare`: each arm at each protocol, label budget and metric."""
    budgets = {"probe": ("5", "10", "20", "50", "all"), "finetune": ("20",)}
    shifts = {"balanced_accuracy": 0, "macro_f1": -0.01, "auroc": 0.08}
    return [
        _row(ident, arm, protocol, budget, metric, arm[4] - 0.07 * (4 - at) * (2 - arm[4]) + shift)
        for arm in ARMS
        for protocol in budgets
        if not (protocol == "finetune" and arm[1] == "frozen")
        for at, budget in enumerate(budgets[protocol])
        for metric, shift in shifts.items()
    ]


def _row(
    ident: str, arm: Any, protocol: str, budget: str, metric: str, value: float
) -> dict[str, Any]:
    name, method, tokenizer, look, _, hours, cost = arm
    return dict(
        pilot=ident,
        arm=name,
        look=look,
        method=method,
        tokenizer=tokenizer,
        task="classification",
        protocol=protocol,
        label_budget=budget,
        metric=metric,
        value=value,
        low=value - 0.02,
        high=value + 0.02,
        n_seeds=3,
        covers="labels, items",
        images_seen=0 if method in ("frozen", "scratch") else 40_000,
        device_seconds=3600 * hours,
        flops=1e15,
        energy_kwh=0.1,
        cost=cost,
        cost_stand_alone=cost,
        currency="USD",
    )


PRICES = PriceTable.load()


def metered() -> list[PilotStage]:
    """Finished stages as the meter knows them: tokens and a pretraining of every trained arm."""
    found = []
    for name, method, tokenizer, *_ in ARMS:
        if method not in ("digpt", "masked"):
            continue
        values: dict[str, Any] = dict(
            inputs={}, source="", state="done", done=0, total=0, error=None, energy_kwh=None,
            peak_memory=None, device_type="cpu", cores=1.0, attempts=1, faults=0, not_before=0.0,
            started_at=None, ended_at=None, pilot_id="p1", position=0, arms=(name,), reused=False,
            cost_hint=1.0,
        )  # fmt: skip
        found.append(
            PilotStage(
                key=f"tokens {name}", kind="tokenize", params={"views": ["identity", "flip"]},
                units=16_800, summary={}, device_seconds=40.0, flops=None, label=tokenizer or "",
                **values,
            )
        )  # fmt: skip
        found.append(
            PilotStage(
                key=f"train {name}", kind="pretrain", params={}, units=40_000,
                summary={"images_per_second": 320.0}, device_seconds=130.0, flops=2.9e12,
                label="seed 0", **values,
            )
        )  # fmt: skip
    return found


def latencies() -> list[dict[str, Any]]:
    rows = []
    for name, method, *_ in ARMS:
        for protocol in ("probe", "finetune"):
            if (method, protocol) == ("frozen", "finetune"):
                continue
            seconds = 0.0011 if method == "frozen" else 0.0004
            rows.append(
                {"arm": name, "protocol": protocol, "seconds": seconds, "low": 0.9 * seconds,
                 "high": 1.2 * seconds, "alone": 3 * seconds, "flops": 1.2e7, "device": "cpu"}
            )  # fmt: skip
    return rows


EXAMPLE_CASE = {
    "currency": "USD",
    "items_per_year": 1_200_000,
    "prevalence": 0.008,
    "good_classes": ["normal"],
    "cost_miss": 60.0,
    "cost_false_alarm": 0.4,
    "today": {"miss_rate": 0.06, "false_alarm_rate": 0.02, "process_per_item": 0.042},
    "inference_per_item": 0.001,
    "one_off": 52_000,
    "labels": {"price_per_label": 3.0},
    "run_per_year": 18_000,
    "horizon_years": 3,
    "discount_rate": 0.08,
    "next_stage_cost": 8_000,
    "stage_budget": 20_000,
}


def case(**changes: Any) -> Case:
    """The example case with some fields changed; None takes one away."""
    return parse_case({k: v for k, v in (EXAMPLE_CASE | changes).items() if v is not None})


def spread(low: float, likely: float, high: float) -> dict[str, float]:
    return {"low": low, "likely": likely, "high": high}


RANGED_CASE = EXAMPLE_CASE | {
    "items_per_year": spread(700_000, 1_200_000, 1_400_000),
    "prevalence": spread(0.005, 0.008, 0.013),
    "cost_miss": spread(25, 60, 95),
    "today": {
        "miss_rate": spread(0.035, 0.06, 0.085),
        "false_alarm_rate": 0.02,
        "process_per_item": spread(0.015, 0.042, 0.057),
    },
    "one_off": spread(48_000, 62_000, 105_000),
    "run_per_year": spread(24_000, 38_000, 56_000),
}


def evidence() -> list[ArmEvidence]:
    """Scores of every arm on the same items, the better the more accurate the arm."""
    rng = np.random.default_rng(0)
    positive = np.arange(800) % 8 != 0
    return [
        ArmEvidence(
            arm=name,
            method=method,
            tokenizer=tokenizer,
            protocol="probe" if method == "frozen" else "finetune",
            label_budget=20,
            labels_used=160,
            val_scores=[_scores(positive, accuracy, rng) for _ in range(2)],
            val_positive=positive,
            test_scores=[_scores(positive, accuracy, rng) for _ in range(2)],
            test_positive=positive,
            pilot_cost_money=cost,
        )
        for name, method, tokenizer, _, accuracy, _, cost in ARMS
    ]


def _scores(positive: np.ndarray, accuracy: float, rng: np.random.Generator) -> np.ndarray:
    signal = 9 * accuracy**3 * (positive - 0.5) + rng.standard_normal(len(positive))
    return 1 / (1 + np.exp(-signal))
