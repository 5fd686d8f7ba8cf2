"""Who stays together and who goes where: leaks between splits, groups, and splits not given."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

from digpt.data.inspection import Checked
from digpt.data.layouts.items import STAYS
from digpt.data.problems import Problem, problem
from digpt.data.remarks import Remark, of_problem
from digpt.data.splits import assign

VAL_SHARE = 0.2  # of train, where there is no validation split
ALL_SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}  # where there is no split at all
_NUMBERED = re.compile(r"^(.+?)[_-](\d+)$")
# Roboflow writes bolt.jpg as bolt_jpg.rf.<hash>.jpg, and every augmented copy with another hash
_COPY = re.compile(r"^(.+)_[A-Za-z]{3,4}\.rf\.[0-9A-Za-z]{16,}$")


def without_leaks(
    checked: list[Checked], problems: list[Problem], notes: list[Remark]
) -> list[Checked]:
    """Pictures with equal pixels in several splits stay only in the first of train, pool, val."""
    problems += _repeats(checked)
    places: dict[str, list[Checked]] = defaultdict(list)
    for one in checked:
        if one.item.split is not None:
            places[one.content].append(one)
    shared = [same for same in places.values() if len({one.item.split for one in same}) > 1]
    dropped: list[Checked] = []
    for same in shared:
        kept = min((one.item.split or "" for one in same), key=STAYS.index)
        dropped += [one for one in same if one.item.split != kept]
    if not dropped:
        return checked
    lost = Counter(one.item.split or "" for one in dropped)
    said = problem(
        "leaks",
        dropped[0].item.path,
        files=sum(map(len, shared)),
        pictures=len(shared),
        lost=", ".join(f"{split}: {lost[split]}" for split in STAYS if lost[split]),
    )
    problems.append(said)
    notes.append(of_problem(said))
    gone = {id(one) for one in dropped}
    return [one for one in checked if id(one) not in gone]


def _repeats(checked: list[Checked]) -> list[Problem]:
    """Equal pictures inside one split, and equal pictures of different classes."""
    places: dict[str, list[Checked]] = defaultdict(list)
    for one in checked:
        places[one.content].append(one)
    repeated = [same for same in places.values() if len(same) > 1]
    torn = [same for same in repeated if len({one.item.label for one in same} - {None}) > 1]
    within = sum(n - 1 for n in Counter((o.content, o.item.split) for o in checked).values())
    found = []
    if torn:
        names = tuple(sorted({one.item.label or "" for one in torn[0]}))
        where = torn[0][0].item.path
        found.append(problem("classes-disagree", where, count=len(torn), labels=names))
    if within:
        found.append(problem("repeats", repeated[0][0].item.path, count=within))
    return found


def group_copies(checked: list[Checked], problems: list[Problem], notes: list[Remark]) -> None:
    """Keep together what Roboflow has made of one picture, as its file names tell."""
    copies: dict[str, list[Checked]] = defaultdict(list)
    for one in checked:
        match = _COPY.match(PurePosixPath(one.item.path).stem)
        if match and not one.item.group:
            label = one.item.label  # another class is another picture of the same name
            copies[f"{label}/{match.group(1)}" if label else match.group(1)].append(one)
    several = {name: same for name, same in copies.items() if len(same) > 1}
    if not several:
        return
    for name, same in several.items():
        for one in same:
            one.item.group = name
    files = sum(map(len, several.values()))
    said = problem("copies-found", "", count=len(several), files=files, example=next(iter(several)))
    problems.append(said)
    notes.append(of_problem(said))


def propose_groups(checked: list[Checked], problems: list[Problem], notes: list[Remark]) -> None:
    """Take what stands before the number in a file's name as its group, where names are like that.

    `12100044_1.jpg` and `12100044_2.jpg` were cut from one picture and must not be torn apart.
    """
    if any(one.item.group for one in checked):
        problems += _torn_groups(checked)
        return
    found = [_NUMBERED.match(PurePosixPath(one.item.path).stem) for one in checked]
    groups = [match.group(1) if match else "" for match in found]
    if not _are_sources(groups, checked):
        return
    for one, group in zip(checked, groups, strict=True):
        one.item.group = group or one.item.path
    count = len({one.item.group for one in checked})
    example = PurePosixPath(checked[0].item.path).name
    problems.append(problem("groups-found", "", example=example, count=count))
    notes.append(of_problem(problems[-1]))


def _are_sources(groups: list[str], checked: list[Checked]) -> bool:
    """Whether prefixes look like sources: shared, many for every class, in one given split each."""
    named = Counter(group for group in groups if group)
    if named.total() < 0.8 * len(groups) or sum(times > 1 for times in named.values()) < 2:
        return False
    of_class, splits = defaultdict(set), defaultdict(set)
    for group, one in zip(groups, checked, strict=True):
        if group:
            of_class[one.item.label].add(group)
            splits[group].add(one.item.split)
    # fewer are names of finer classes, or a camera's counter
    return min(map(len, of_class.values())) >= 5 and max(map(len, splits.values())) == 1


def _torn_groups(checked: list[Checked]) -> list[Problem]:
    """Groups of the table that its own splits tear apart."""
    splits = defaultdict(set)
    for one in checked:
        if one.item.group and one.item.split:
            splits[one.item.group].add(one.item.split)
    torn = sorted(group for group, found in splits.items() if len(found) > 1)
    if not torn:
        return []
    return [problem("groups-torn", "", count=len(torn), group=torn[0])]


def complete_splits(
    checked: list[Checked],
    problems: list[Problem],
    notes: list[Remark],
    earlier: Mapping[str, str],
) -> None:
    """Cut the splits that the source does not have, by group and class, with seed 0.

    `earlier`: the splits of the version before by path. Who is in it stays where it was, else what
    one version trained on would test the next.
    """
    given = {one.item.split for one in checked}
    for one in checked:
        one.split = one.item.split or ""
    if given == {"pool"}:
        return
    said = []
    if given <= {None, "pool"}:
        _cut([one for one in checked if one.split == ""], ALL_SHARES, earlier)
        said.append(problem("splits-cut", ""))
    else:
        for one in checked:
            one.split = one.split or "train"
        if "test" not in given:
            source = "val" if "val" in given and "train" in given else "train"
            some = [o for o in checked if o.split == source]
            _cut(some, _two(source, "test"), earlier)
            said.append(problem("test-cut", "", split=source))
        if "val" not in given:
            some = [o for o in checked if o.split == "train"]
            _cut(some, _two("train", "val"), earlier)
            said.append(problem("val-cut", ""))
        if "train" not in given:
            said = []
    kept = sum(one.split == earlier.get(one.item.path) for one in checked)
    said += [problem("splits-kept", "", count=kept)] if kept and said else []
    problems += said
    notes += [of_problem(one) for one in said]


def _two(stays: str, cut: str) -> dict[str, float]:
    return {stays: 1 - VAL_SHARE, cut: VAL_SHARE}


def _cut(some: list[Checked], shares: Mapping[str, float], earlier: Mapping[str, str]) -> None:
    """Split these items, those that were in the version before as they were.

    Neither a group nor equal pictures end up in two splits. Where an earlier split is none of
    `shares`, its items stay in the first of them: another cut may bring them back.
    """
    blocks, strata = _linked(some), _strata(some)
    kept: dict[str, str] = {}
    for block, one in zip(blocks, some, strict=True):
        split = earlier.get(one.item.path)
        if split is None or split == "pool" or kept.get(block) == "train":
            continue
        kept[block] = split if split in shares else next(iter(shares))
    number = {name: k for k, name in enumerate(sorted(set(strata)))}
    new = [i for i, block in enumerate(blocks) if block not in kept]
    labels = [number[strata[i]] for i in new]
    found = assign(labels, [blocks[i] for i in new], shares, seed=0) if new else []
    for i, split in zip(new, found, strict=True):
        some[i].split = str(split)
    for block, one in zip(blocks, some, strict=True):
        one.split = kept.get(block, one.split)


def _strata(some: list[Checked]) -> list[str]:
    """What each split should hold its share of: the class, or the picture's rarest object."""
    times = Counter(shape.label for one in some for shape in one.shapes)
    return [
        one.item.label or min((s.label for s in one.shapes), key=times.__getitem__, default="")
        for one in some
    ]


def _linked(some: list[Checked]) -> list[str]:
    """One name per block of items that share a group or a picture, directly or through others."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for one in some:
        content, group = f"content {one.content}", f"group {one.item.group or one.item.path}"
        parent[root(content)] = root(group)
    return [root(f"content {one.content}") for one in some]
