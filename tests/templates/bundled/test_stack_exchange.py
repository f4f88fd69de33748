"""Stack Exchange, paired: the answer j is the better one, and HTML stays as it is."""

from hypothesis import given
from support import real_rows, texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion

FILE = "torchtune/stack_exchange_paired_tiny.json"


@given(texts(), texts(), texts())
def test_the_answer_j_is_chosen_and_nothing_is_trimmed(question, better, worse):
    row = {"question": question, "response_j": better, "response_k": worse}
    sample = get_template("StackExchange-paired").extract(row, "preference")
    assert sample.prompt == [{"role": "user", "content": question}]
    assert [sample.chosen[0]["content"], sample.rejected[0]["content"]] == [better, worse]


def test_the_25_real_rows_all_format_and_no_letter_of_them_changes():
    rows = real_rows(FILE)
    conversion = Conversion(
        rows, get_template("StackExchange-paired").with_style("plain").with_dialect("text"), "preference"
    )
    pairs = list(conversion)
    changed = [
        index
        for index, (row, pair) in enumerate(zip(rows, pairs, strict=True))
        if (pair["prompt"], pair["chosen"], pair["rejected"])
        != (row["question"], row["response_j"], row["response_k"])
    ]
    report = conversion.report
    assert (report.rows, report.formatted, report.skipped, report.rejected) == (25, 25, [], [])
    assert changed == []


def test_the_real_rows_give_25_good_answers_and_25_bad_ones():
    conversion = Conversion(real_rows(FILE), get_template("StackExchange-paired"), "unpaired")
    labels = [result["label"] for result in conversion]
    assert (labels.count(True), labels.count(False)) == (25, 25)
