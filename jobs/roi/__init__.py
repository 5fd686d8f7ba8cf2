"""Return on investment: from measured scores and a case to figures and a verdict."""

from jobs.roi.case import Case, case_from_yaml, case_to_yaml, converted, load_case, parse_case
from jobs.roi.decision import REASONS, Reason
from jobs.roi.evaluate import ArmResult, CaseResult, evaluate_case
from jobs.roi.evidence import ArmEvidence, choose_evidence

__all__ = [
    "REASONS",
    "ArmEvidence",
    "ArmResult",
    "Case",
    "CaseResult",
    "Reason",
    "case_from_yaml",
    "case_to_yaml",
    "choose_evidence",
    "converted",
    "evaluate_case",
    "load_case",
    "parse_case",
]
