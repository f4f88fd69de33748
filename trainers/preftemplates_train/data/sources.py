"""The sources of a run: the rows that the settings name, each with its template and style."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates import Style, Template, get_style, get_template
from preftemplates.data.dataset_sources import DatasetChoice
from preftemplates.data.reading import Record, open_rows
from preftemplates_train.data.demo import generate
from preftemplates_train.data.labelled_texts import PAIR_FORMAT, LabelledTexts, read_labelled_texts
from preftemplates_train.errors import SetupError

if TYPE_CHECKING:
    from preftemplates import Format
    from preftemplates.data import RowSource
    from preftemplates_train.settings.config import RewardConfig

GENERATED = "generated"
"""The name of the generated set."""

GENERATED_TEMPLATE = "PKUSafeRLHF"

ALL_DEFAULT = DatasetChoice()

RowOpener = Callable[[], Iterable[Record | Mapping[str, Any]]]


class DataSource(NamedTuple):
    """A file, dataset or split, and its template.

    Attributes:
        name: the name in messages, counts and scores.
        template: the template that reads its rows, in the run's style.
        rows: opens the rows to train on, if there are any.
        held_out: opens the rows to evaluate on, if there are any.
        weight: how often each sample is seen in an epoch.
    """

    name: str
    template: Template
    rows: RowOpener | None
    held_out: RowOpener | None = None
    weight: float = 1.0


def list_sources(config: RewardConfig) -> list[DataSource]:
    """Return the sources that the settings name; the generated set if they name none."""
    if is_generated(config):
        return [_make_generated_source(config)]
    entries = config.datasets or [{"path": path} for path in config.dataset_name or ()]
    sources = [_make_source(entry, config) for entry in entries]
    if config.eval_data:
        template = _find_common_template(sources, config)
        sources += [DataSource(path, template, None, make_opener(path, template)) for path in config.eval_data]
    return list(_number_same_names(sources))


def is_generated(config: RewardConfig) -> bool:
    """Return whether the settings name no rows, so that the generated set is trained on."""
    return not config.dataset_name and not config.datasets


def _number_same_names(sources: Sequence[DataSource]) -> Iterator[DataSource]:
    names = [source.name for source in sources]
    for place, source in enumerate(sources):
        number = names[: place + 1].count(source.name)
        yield source._replace(name=f"{source.name} #{number}") if names.count(source.name) > 1 else source


def _make_source(entry: Mapping[str, Any], config: RewardConfig) -> DataSource:
    path = str(entry["path"])
    template = _find_template(str(entry.get("template") or config.template), config)
    choice = DatasetChoice(
        entry.get("split") or config.dataset_train_split,
        entry.get("name") or config.dataset_config,
        entry.get("data_dir") or config.dataset_data_dir,
    )
    test = config.dataset_test_split
    held_out = make_opener(path, template, choice._replace(split=test)) if test else None
    return DataSource(path, template, make_opener(path, template, choice), held_out, float(entry.get("weight", 1)))


def _make_generated_source(config: RewardConfig) -> DataSource:
    rows, held_out = generate(seed=config.seed)
    template = _find_template(config.template or GENERATED_TEMPLATE, config)
    return DataSource(GENERATED, template, lambda: rows, lambda: held_out)


def _find_template(name: str, config: RewardConfig) -> Template:
    template = get_template(name)
    return template.with_style(get_style(config.style)) if config.style else template


def _find_common_template(sources: Sequence[DataSource], config: RewardConfig) -> Template:
    if config.template:
        return _find_template(config.template, config)
    if len({source.template for source in sources}) > 1:
        raise SetupError("eval_data needs one template, but the datasets have several; name one with --template")
    return sources[0].template


def make_opener(path: str, template: Template, choice: DatasetChoice = ALL_DEFAULT) -> Callable[[], RowSource]:
    """Return a function that opens the rows of a file or dataset, each time it is called."""
    return partial(open_rows, path, **choice._asdict(), cell_parsers=template.cell_parsers)


def read_clean_samples(seed: int, style: Style | None, format: Format = PAIR_FORMAT) -> list[LabelledTexts]:
    """Read the generated set's held-out samples with the right labels, always with the bundled template.

    So a template that swaps the answers cannot hide it by swapping them in the evaluation too.

    Args:
        seed: the seed of the set.
        style: the style that was trained with; None for the bundled template's own.
        format: the dataset type that is trained on.
    """
    template = get_template(GENERATED_TEMPLATE)
    rows = [{**row, "better_response_id": row["clean_response_id"]} for row in generate(seed=seed)[1]]
    styled = template if style is None else template.with_style(style)
    return read_labelled_texts(rows, styled, format, source="clean labels")[0]
