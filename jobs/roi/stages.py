"""The stages of a project, pilot, validation and roll-out, each with its rule for the next step."""

from typing import get_args

from jobs.roi.case import parse_case
from jobs.roi.schema import Case, StageName

STAGES: tuple[str, ...] = get_args(StageName)


def at_stage(case: Case) -> Case:
    """The case with the rule of the stage where the project stands in place of the pilot's.

    Cost and budget are always the stage's own: a pilot's say nothing of the roll-out.
    """
    gate = case.gates.get(case.stage)
    if gate is None and case.stage == "pilot":
        return case
    values = case.model_dump(mode="json") | {"gates": {}}
    given = gate.model_dump(mode="json", exclude_none=True) if gate else {}
    money = {name: given.get(name) for name in ("next_stage_cost", "stage_budget")}
    return parse_case(values | money | given)
