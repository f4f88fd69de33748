"""The data of a run: sources read through their templates, split by prompt, encoded, and every row counted."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from preftemplates import Style, Template, get_style, get_template
from preftemplates.convert import Report
from preftemplates.reading import Record, open_rows
from preftemplates.row_types import read_row_type
from preftemplates.rows import cell_parsers
from preftemplates_train.data.demo import generate
from preftemplates_train.data.encoding import Encode, Group, LengthReport, Pair, TokenPair, by_row, encode_pairs
from preftemplates_train.data.pairs import PairReader, read_pairs, split_by_prompt
from preftemplates_train.data.tokenizer import Around
from preftemplates_train.errors import SetupError, TooManyBadRowsError
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.settings.validation import UNTRAINABLE_FINDINGS

GENERATED = "generated"
GENERATED_TEMPLATE = "PKUSafeRLHF"

T = TypeVar("T")
Rows = Callable[[], Iterable[Record | Mapping[str, Any]]]


class Source(NamedTuple):
    """Rows of one origin, and how they are read.

    Attributes:
        name: what messages, counts and scores call it.
        template: how its rows are read, in the run's style.
        rows: opens the rows to train on, if it has any.
        held_out: opens the rows to evaluate on, if it has any.
        weight: how often each pair is seen in an epoch.
    """

    name: str
    template: Template
    rows: Rows | None
    held_out: Rows | None = None
    weight: float = 1.0


@dataclass
class SourceReport:
    """What became of the rows of a source; a length report is of one side."""

    name: str
    template: str
    rows: list[Report] = field(default_factory=list)
    train: LengthReport = field(default_factory=LengthReport)
    held_out: LengthReport = field(default_factory=LengthReport)

    def counts(self) -> dict[str, Any]:
        """The counts in one line; rows = formatted + skipped + rejected."""
        both = [asdict(self.train), asdict(self.held_out)]
        dropped = {name: sum(side[name] for side in both) for name in ("too_long", "equal", "control", "cut")}
        return {
            "name": self.name,
            "template": self.template,
            "rows": sum(report.rows for report in self.rows),
            "formatted": sum(report.formatted for report in self.rows),
            "skipped": sum(len(report.skipped) for report in self.rows),
            "rejected": sum(len(report.rejected) for report in self.rows),
            **dropped,
            "train_pairs": self.train.kept,
            "eval_pairs": self.held_out.kept,
        }


@dataclass
class Data:
    """The pairs of a run.

    Attributes:
        style: the one style of all texts; None if the template formats by hand.
        templates: the template of each source by its name.
        train: pairs to train on, as texts.
        held_out: pairs to evaluate on.
        reports: what became of the rows, a report a source.
        weights: how often a source's pairs are seen in an epoch.
        clean: of the generated set, the held-out pairs with the right labels.
    """

    style: Style | None
    templates: dict[str, Template]
    train: list[Pair] = field(default_factory=list)
    held_out: list[Pair] = field(default_factory=list)
    reports: dict[str, SourceReport] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    clean: list[Pair] = field(default_factory=list)

    @property
    def prompts_in_both(self) -> int:
        """How many held-out pairs have a prompt that is also trained on."""
        trained = {pair.prompt for pair in self.train}
        return sum(pair.prompt in trained for pair in self.held_out)


def read_data(config: RewardConfig, around: Around = Around("", "")) -> Data:  # noqa: B008
    """Read the rows that the settings name, or the generated set if they name none.

    Args:
        config: the settings.
        around: the special tokens that the style has to write.

    Raises:
        TooManyBadRowsError: more rows of a source are rejected than 10 and 1 %.
        SetupError: there are no pairs, or the sources do not go together.
    """
    sources = name_sources(config)
    style = _one_style(sources)
    if style is not None:
        style = style.with_special_tokens(*around)
        _refuse_findings(style, config.allow_findings or ())
        sources = [source._replace(template=source.template.with_style(style)) for source in sources]
    data = Data(style, {source.name: source.template for source in sources})
    for source in sources:
        _read_source(source, data)
    if not config.dataset_name and not config.datasets:
        data.clean = clean_pairs(config.seed, style)
    for side in (data.train, data.held_out):
        _refuse_doubled(side, around, style)
    if any(source.held_out is not None for source in sources):
        if not data.held_out:
            named = (source.name for source in sources if source.held_out is not None)
            raise _no_pair("evaluate on", {name: data.reports[name].rows[-1:] for name in named})
    elif config.eval_size > 0 and data.train:
        data.train, data.held_out = split_by_prompt(data.train, config.eval_size, config.seed)
    return data


def name_sources(config: RewardConfig) -> list[Source]:
    """The sources that the settings name."""
    if not config.dataset_name and not config.datasets:
        return [_generated(config)]
    entries = config.datasets or [{"path": path} for path in config.dataset_name or ()]
    sources = [_source(entry, config) for entry in entries]
    if config.eval_data:
        template = _only_template(sources, config)
        sources += [Source(path, template, None, _opener(path, template, None)) for path in config.eval_data]
    return list(_with_own_names(sources))


def _with_own_names(sources: Sequence[Source]) -> Iterator[Source]:
    """The sources, those of one name numbered."""
    names = [source.name for source in sources]
    for number, source in enumerate(sources):
        nth = names[: number + 1].count(source.name)
        yield source._replace(name=f"{source.name} #{nth}") if names.count(source.name) > 1 else source


def _source(entry: Mapping[str, Any], config: RewardConfig) -> Source:
    path = str(entry["path"])
    template = _template(str(entry.get("template") or config.template), config)
    split = entry.get("split") or config.dataset_train_split
    held_out = _opener(path, template, config.dataset_test_split) if config.dataset_test_split else None
    return Source(path, template, _opener(path, template, split), held_out, float(entry.get("weight", 1)))


def _template(name: str, config: RewardConfig) -> Template:
    template = get_template(name)
    return template.with_style(get_style(config.style)) if config.style else template


def _opener(path: str, template: Template, split: str | None) -> Rows:
    parsers = {} if template.by_hand else cell_parsers(read_row_type(template.parts.declaration.row))
    return lambda: open_rows(path, split=split, cell_parsers=parsers)


def _generated(config: RewardConfig) -> Source:
    rows, held_out = generate(seed=config.seed)
    return Source(GENERATED, _template(config.template or GENERATED_TEMPLATE, config), lambda: rows, lambda: held_out)


def clean_pairs(seed: int, style: Style | None) -> list[Pair]:
    """The generated set's held-out pairs with the right labels, read by the bundled template and no other.

    So a template that is tried on the set is not its own judge: one that swaps the answers is seen to.

    Args:
        seed: the set's.
        style: the style that was trained with; None for the bundled template's own.
    """
    template = get_template(GENERATED_TEMPLATE)
    rows = [{**row, "better_response_id": row["clean_response_id"]} for row in generate(seed=seed)[1]]
    return read_pairs(rows, template if style is None else template.with_style(style), source="clean labels")[0]


def first_pairs(config: RewardConfig, around: Around, number: int = 3) -> tuple[list[Pair], Style | None]:
    """The first pairs of the first source, for which no more rows are read than needed, and their style.

    Raises:
        SetupError: there is none.
    """
    source = name_sources(config)[0]
    template, style = source.template, _one_style([source])
    if style is not None:
        style = style.with_special_tokens(*around)
        _refuse_findings(style, config.allow_findings or ())
        template = template.with_style(style)
    assert source.rows is not None
    reader = PairReader(source.rows(), template, source=source.name)
    pairs = list(islice(reader, number))
    if not pairs:
        _refuse_bad_rows(source.name, reader.report)
        raise _no_pair("show", {source.name: [reader.report]})
    return pairs, style


def _only_template(sources: Sequence[Source], config: RewardConfig) -> Template:
    if config.template:
        return _template(config.template, config)
    if len({source.template for source in sources}) > 1:
        raise SetupError("eval_data is read by one template, and the datasets have several; name it by template")
    return sources[0].template


def _one_style(sources: Sequence[Source]) -> Style | None:
    """The style of all sources; None if the only template formats by hand.

    Raises:
        SetupError: there are several.
    """
    by_hand = {source.template for source in sources if source.template.by_hand}
    if by_hand and len({source.template for source in sources}) > 1:
        names = ", ".join(sorted({source.template.name for source in sources}))
        raise SetupError(f"a template that formats by hand has no style to share, and there are several: {names}")
    if by_hand:
        return None
    styles = {source.template.style for source in sources}
    if len(styles) > 1:
        names = ", ".join(sorted(style.name for style in styles))
        raise SetupError(f"the datasets are written in several styles: {names}; name one with --style")
    return styles.pop()


def _refuse_findings(style: Style, allowed: Sequence[str]) -> None:
    """Refuse a style that makes answers equal, or texts that nobody can make again."""
    for finding in style.findings:
        if finding.code in UNTRAINABLE_FINDINGS and finding.code not in allowed:
            line = f" (line {finding.line} of its chat template)" if finding.line else ""
            raise SetupError(
                f"the style {style.name} has the finding {finding.code}: {finding.message}{line};"
                f" --allow_findings {finding.code} trains on it all the same"
            )


def _read_source(source: Source, data: Data) -> None:
    report = data.reports.setdefault(source.name, SourceReport(source.name, source.template.name))
    data.weights[source.name] = source.weight
    for rows, side in ((source.rows, data.train), (source.held_out, data.held_out)):
        if rows is not None:
            pairs, found = read_pairs(rows(), source.template, source=source.name)
            _refuse_bad_rows(source.name, found)
            side += pairs
            report.rows.append(found)


def _refuse_bad_rows(name: str, report: Report) -> None:
    if report.too_many_rejected:
        first = report.rejected[0]
        line = "" if first.line is None else f" (line {first.line})"
        raise TooManyBadRowsError(
            f"{name}: {len(report.rejected)} of {report.rows} rows are rejected, more than {report.allowed}; the first"
            f" is row {first.row}{line}: {first.message}"
        )


def _no_pair(to: str, reports: Mapping[str, Sequence[Report]]) -> SetupError:
    """The error where there is no pair, with the reason of the first row that makes none."""
    refused = (
        f": {name}, row {one.row}: {one.message}"
        for name, found in reports.items()
        for report in found
        for one in (*report.rejected, *report.skipped)
    )
    return SetupError(f"there is no pair to {to}" + next(refused, ""))


def _refuse_doubled(pairs: Sequence[Pair], around: Around, style: Style | None) -> None:
    """Refuse texts of a template that formats by hand which begin as the tokenizer would begin them."""
    if style is None and around.before and any(pair.chosen.startswith(around.before) for pair in pairs):
        raise SetupError(f"template and tokenizer both write {around.before!r}: it would stand there twice")


@dataclass
class Encoded:
    """The pairs of a run as token ids.

    Attributes:
        groups: what an epoch sees, the pairs of a row together, each as often as its source's weight says.
        held_out: what is evaluated.
        clean: of the generated set, the held-out pairs with the right labels.
        digest: a hash of `train`.
    """

    groups: list[Group]
    held_out: list[TokenPair]
    clean: list[TokenPair]
    digest: str

    @property
    def train(self) -> list[TokenPair]:
        """The pairs that an epoch sees."""
        return list(chain.from_iterable(self.groups))


def encode_data(data: Data, encode: Encode, *, max_length: int, pad_id: int, config: RewardConfig) -> Encoded:
    """Encode both sides, and drop what does not fit; the reports are filled in.

    Raises:
        SetupError: more pairs are dropped than allowed, or none is left.
    """

    def kept(pairs: list[Pair], name: str) -> tuple[list[TokenPair], LengthReport]:
        own = [pair for pair in pairs if pair.source == name]
        found, report = encode_pairs(
            own, encode, max_length=max_length, pad_id=pad_id, policy=config.length_policy, style=data.style
        )
        _refuse_dropped(name, report, max_length, config.max_dropped)
        return found, report

    groups: list[Group] = []
    held_out: list[TokenPair] = []
    for name, report in data.reports.items():
        own, report.train = kept(data.train, name)
        groups += weighted(by_row(own), data.weights[name], config.seed)
        own, report.held_out = kept(data.held_out, name)
        held_out += own
    reports = {name: report.rows for name, report in data.reports.items()}
    if not groups:
        raise _no_pair("train on", reports)
    if data.held_out and not held_out:
        raise _no_pair("evaluate on", reports)
    clean, _ = encode_pairs(data.clean, encode, max_length=max_length, pad_id=pad_id)
    return Encoded(groups, held_out, clean, _digest(chain.from_iterable(groups)))


def _refuse_dropped(name: str, report: LengthReport, max_length: int, allowed: float) -> None:
    dropped = report.pairs - report.kept
    if dropped <= allowed * report.pairs:
        return
    reasons = (
        (report.too_long, f"too long for {max_length} tokens", "a longer --max_length, or --length_policy cut_prompt"),
        (report.control, "spelling the pad token", "another --pad_token"),
        (report.equal, "equal as tokens", ""),
    )
    said = ", ".join(f"{count} {reason}" for count, reason, _ in reasons if count)
    cures = "".join(f"{cure} keeps more; " for count, _, cure in reasons if count and cure)
    share = f"{dropped} of {report.pairs} pairs" if report.kept else f"all {report.pairs} pairs"
    raise SetupError(
        f"{name}: {share} would be dropped, more than {allowed:.0%}: {said} ({cures}--max_dropped allows it)"
    )


def weighted(items: Sequence[T], weight: float, seed: int) -> list[T]:
    """The items, each as often as the weight says; of what is no whole number, a drawn share.

    >>> len(weighted("ten of ten", 2.5, seed=0)), len(weighted("ten of ten", 0.3, seed=0))
    (25, 3)
    """
    whole, share = divmod(weight, 1)
    return [*items] * int(whole) + random.Random(seed).sample(list(items), round(share * len(items)))


def _digest(pairs: Iterable[TokenPair]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(repr((pair.chosen_ids, pair.rejected_ids)).encode())
    return digest.hexdigest()
