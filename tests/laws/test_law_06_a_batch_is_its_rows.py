import pyarrow as pa
import pytest
from planted import BUNDLED_TEMPLATES, PKU, TEXT_TEMPLATES, check, check_each

from preftemplates import get_template
from preftemplates.data import batches
from preftemplates.testing import a_batch_is_its_rows_however_it_is_cut

BatchFormatter = batches.BatchFormatter


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_a_batch_is_its_rows_however_it_is_cut(name):
    check_each(get_template(name), a_batch_is_its_rows_however_it_is_cut)


@pytest.mark.parametrize("name", TEXT_TEMPLATES[::4])
def test_as_text_too(name):
    check_each(get_template(name).with_dialect("text"), a_batch_is_its_rows_however_it_is_cut)


ENCODED = [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize("kind", ENCODED, ids=str)
def test_texts_encoded_otherwise_are_the_same_texts(kind):
    rows = [{"prompt": text} for text in ("Hi", "", "{{ 7*7 }}\r\n", "Hi")]
    column = pa.chunked_array([pa.array([row["prompt"] for row in rows], pa.string())]).cast(kind)
    result = BatchFormatter(PKU, "prompt_only")(pa.table({"prompt": column}).slice(1))
    assert result.to_pylist() == [PKU.format(row, "prompt_only") for row in rows[1:]]


class LosingTheLast(BatchFormatter):
    def __call__(self, batch):
        formatted = super().__call__(batch)
        return formatted.slice(0, max(1, formatted.num_rows - 1))


class ReadingTheFirstChunkOnly(BatchFormatter):
    def __call__(self, batch):
        chunks = batch.to_batches() if isinstance(batch, pa.Table) else [batch]
        full = [super(ReadingTheFirstChunkOnly, self).__call__(chunk) for chunk in chunks[:1]]
        return pa.Table.from_batches(full, self.schema) if isinstance(batch, pa.Table) else full[0]


class ForgettingTheSlice(BatchFormatter):
    """Reads from the start of the buffers, as a kernel does that forgets a slice's offset."""

    seen = None

    def __call__(self, batch):
        if self.seen is None or batch.num_rows > self.seen.num_rows:
            self.seen = batch
        return super().__call__(self.seen.slice(0, batch.num_rows) if type(batch) is type(self.seen) else batch)


class GivingAnotherSchema(BatchFormatter):
    def __call__(self, batch):
        formatted = super().__call__(batch)
        return formatted.cast(pa.schema([(field.name, pa.large_string()) for field in formatted.schema]))


class RefusingTheEmpty(BatchFormatter):
    def __call__(self, batch):
        return super().__call__(batch) if batch.num_rows else batch


FAULTS = [LosingTheLast, ReadingTheFirstChunkOnly, ForgettingTheSlice, GivingAnotherSchema, RefusingTheEmpty]


@pytest.mark.parametrize("formatter", FAULTS)
def test_a_formatter_that_is_not_its_rows_is_caught(formatter, monkeypatch):
    monkeypatch.setattr(batches, "BatchFormatter", formatter)
    with pytest.raises(AssertionError, match="a batch is its rows however it is cut: does not hold"):
        check(PKU, a_batch_is_its_rows_however_it_is_cut)
