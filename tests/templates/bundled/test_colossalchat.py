"""ColossalChat: speakers become roles, and each layout's own columns say what is to be learnt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import real_rows, texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

LAYOUTS = {
    "ColossalChat-dpo": ("preference", "colossalchat/test_dpo_data.jsonl"),
    "ColossalChat-kto": ("unpaired", "colossalchat/test_kto_data.jsonl"),
    "ColossalChat-sft": ("supervised", "colossalchat/test_sft_data.jsonl"),
}
ROLES = {"system": "system", "human": "user", "user": "user", "assistant": "assistant"}
turns = st.lists(st.tuples(st.sampled_from([*ROLES]), texts()), max_size=4)


def written(turns):
    return [{"from": speaker, "content": content} for speaker, content in turns]


def meant(turns):
    return [{"role": ROLES[speaker], "content": content} for speaker, content in turns]


@given(turns, texts(), texts())
def test_the_columns_say_which_side_is_better(context, good, bad):
    row = {
        "context": written(context),
        "chosen": written([("assistant", good)]),
        "rejected": written([("assistant", bad)]),
    }
    sample = get_template("ColossalChat-dpo").extract(row, "preference")
    assert sample.prompt == meant(context)
    assert [sample.chosen, sample.rejected] == [meant([("assistant", good)]), meant([("assistant", bad)])]
    flipped = {**row, "chosen": row["rejected"], "rejected": row["chosen"]}
    exchanged = get_template("ColossalChat-dpo").extract(flipped, "preference")
    assert [exchanged.chosen, exchanged.rejected] == [sample.rejected, sample.chosen]


@given(turns, texts(), st.booleans())
def test_the_verdict_is_the_label(prompt, answer, good):
    row = {"prompt": written(prompt), "completion": {"from": "assistant", "content": answer}, "label": good}
    sample = get_template("ColossalChat-kto").extract(row, "unpaired")
    assert (sample.prompt, sample.completion) == (meant(prompt), meant([("assistant", answer)]))
    assert sample.label is good


@given(turns.filter(len), texts())
def test_the_last_answer_is_learnt(before, answer):
    row = {"messages": written([*before, ("assistant", answer)])}
    sample = get_template("ColossalChat-sft").extract(row, "supervised")
    assert (sample.prompt, sample.completion) == (meant(before), meant([("assistant", answer)]))


@pytest.mark.parametrize("messages", [[], [("user", "Tea?")], [("assistant", "Yes.")]])
def test_a_conversation_that_does_not_end_with_an_answer_to_something_has_bad_turns(messages):
    with pytest.raises(RowError) as caught:
        get_template("ColossalChat-sft").extract({"messages": written(messages)}, "supervised")
    assert caught.value.code == Code.BAD_TURNS


@pytest.mark.parametrize("speaker", ["", "User", "gpt", "tool"])
def test_an_unknown_speaker_is_refused(speaker):
    row = {"messages": written([(speaker, "Tea?"), ("assistant", "Yes.")])}
    with pytest.raises(RowError) as caught:
        get_template("ColossalChat-sft").extract(row, "supervised")
    assert (caught.value.code, caught.value.value) == (Code.BAD_ROLE, speaker)


def test_a_turn_without_a_speaker_names_its_place():
    row = {"messages": [*written([("user", "Tea?")]), {"role": "assistant", "content": "Yes."}]}
    with pytest.raises(RowError) as caught:
        get_template("ColossalChat-sft").extract(row, "supervised")
    assert (caught.value.code, caught.value.column) == (Code.MISSING_FIELD, "messages[1].from")


@pytest.mark.parametrize(("name", "format", "file"), [(name, *layout) for name, layout in LAYOUTS.items()])
def test_the_real_row_of_each_layout_comes_through_with_every_letter(name, format, file):
    rows = real_rows(file)
    conversion = Conversion(rows, get_template(name).with_dialect("trl"), format, on_error="skip")
    results, report = [*conversion], conversion.report
    assert (report.rows, report.formatted, len(report.skipped), len(report.rejected)) == (1, 1, 0, 0)
    (result,), (row,) = results, rows
    spoken = [turn for side in ("context", "prompt", "messages", "completion", "chosen", "rejected") if side in row
              for turn in (row[side] if isinstance(row[side], list) else [row[side]])]  # fmt: skip
    said = [message for key in ("prompt", "completion", "chosen", "rejected") for message in result.get(key, [])]
    same = [message == {"role": ROLES[turn["from"]], "content": turn["content"]}
            for message, turn in zip(said, spoken, strict=True)]  # fmt: skip
    assert all(same)
    assert len(same) == {"ColossalChat-dpo": 5, "ColossalChat-kto": 4, "ColossalChat-sft": 6}[name]
    assert result.get("label") == row.get("label")
