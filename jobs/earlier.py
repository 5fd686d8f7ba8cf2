"""Earlier arms that an init names: `arm:PILOT/ARM` becomes the stages that made their students."""

from collections.abc import Mapping, Sequence

from digpt.errors import UserError, pick
from digpt.init import Init, check_sizes
from digpt.recipe import Student
from jobs.engine.plan import EARLIER, EarlierArm, Stage
from jobs.spec import PilotSpec
from jobs.store import Store
from jobs.store.records import PilotStage
from jobs.weights import inits


def stages_of(spec: PilotSpec, store: Store) -> dict[str, EarlierArm]:
    """The stages of every earlier arm that the spec's inits name, by the init."""
    student = spec.resolved.pretrain.student
    return {i.text: _stages(i, student, store) for i in inits(spec) if i.family == "arm"}


def _stages(init: Init, student: Student, store: Store) -> EarlierArm:
    """By seed: the arm's pretraining stage, after all that it needs."""
    store.pilot(init.pilot)  # or a UserError
    arm = pick({a.name: a.name for a in store.arms(init.pilot)}, init.arm, "arm")
    known = {s.key: s for s in store.stages(init.pilot)}
    own = (s for s in known.values() if s.kind == "pretrain" and s.label != EARLIER)
    runs = sorted((s for s in own if arm in s.arms), key=lambda s: s.params["seed"])
    if not runs:
        raise UserError(
            f"Init {init.text!r}: that arm has no pretrained student. Name a pretrained one.",
            code="bad-init",
            field="init",
            why="no-student",
            name=init.text,
        )
    unfinished = next((s for s in runs if s.state != "done"), None)
    if unfinished:
        raise UserError(
            f"Init {init.text!r}: that arm is not finished, its pretraining ({unfinished.label}) is"
            f" {unfinished.state}. Wait for it, or retry pilot {init.pilot}.",
            code="bad-init",
            field="init",
            why="unfinished",
            name=init.text,
            pilot=init.pilot,
        )
    check_sizes(init, runs[0].params["recipe"]["student"], student)
    return tuple(tuple(_planned(s) for s in _with_inputs(run, known)) for run in runs)


def _with_inputs(stage: PilotStage, known: Mapping[str, PilotStage]) -> Sequence[PilotStage]:
    """The stage after everything it was made from, in the order of the plan."""
    needed, open_keys = set(), [stage.key]
    while open_keys:
        key = open_keys.pop()
        needed.add(key)
        open_keys += [k for k in known[key].inputs.values() if k not in needed]
    return [s for key, s in known.items() if key in needed]


def _planned(stage: PilotStage) -> Stage:
    return Stage(
        key=stage.key,
        kind=stage.kind,
        params=stage.params,
        inputs=stage.inputs,
        arms=(),
        label=stage.label,
        units=stage.units,
        cost_hint=stage.cost_hint,
        source=stage.source,
    )
