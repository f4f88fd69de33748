"""Near copies of prompts: planted ones are found, other prompts stay quiet, and the work grows with the rows alone."""

import random
from collections import Counter
from itertools import product

import pytest
from planted_copies import KINDS, MUST_BE_FOUND, change_word, find_length, make_synthetic_prompts, wrap
from preftemplates_train.data.demo import _ALL_DEEDS as DEEDS
from preftemplates_train.data.demo import _ALL_THINGS as THINGS
from preftemplates_train.data.demo import QUESTIONS, generate
from support import DATA

from preftemplates import get_template
from preftemplates.data import near_copies, normal_prompt, open_rows
from preftemplates.data.hash_table import HashTable
from preftemplates.data.near_copies import NearCopyIndex
from preftemplates.data.normal_prompt import normalise_prompt
from preftemplates.data.normal_text import normalise_text
from preftemplates.errors import RowError

REAL_SETS = {
    "dpo_en": ("llamafactory/dpo_en_demo.json", "LLaMA-Factory-sharegpt-ranking", "preference"),
    "dpo_zh": ("llamafactory/dpo_zh_demo.json", "LLaMA-Factory-sharegpt-ranking", "preference"),
    "hh": ("hh_rlhf/harmless-base_test_even.jsonl.gz", "HH", "preference"),
    "oasst_zh": ("oasst/oaast_rm_zh.json", "OASST-zh-ranked", "ranked"),
}


def ask(text, *history, **more):
    turns = [{"role": role, "content": said} for role, said in zip(("user", "assistant") * 9, history, strict=False)]
    return [*turns, {"role": "user", "content": text, **more}]


def indexed(*prompts, **options):
    index = NearCopyIndex(**options)
    for row, prompt in enumerate(prompts):
        index.add(normalise_prompt(ask(prompt) if isinstance(prompt, str) else prompt), row)
    return index


def find(index, prompt):
    return index.find(normalise_prompt(ask(prompt) if isinstance(prompt, str) else prompt))


def difference(one, other):
    copy = find(indexed(one), other)
    return None if copy is None else copy.difference


def read_prompts(name):
    path, template, format = REAL_SETS[name]
    if not (DATA / path).exists():
        pytest.skip(f"{path} is not there")
    loaded, prompts = get_template(template), []
    for record in open_rows(str(DATA / path), cell_parsers=loaded.cell_parsers):
        try:
            prompts += [(record.row, sample.prompt) for sample in loaded.extract_all(record.cells, format).samples]
        except RowError:
            continue
    return prompts


def plant(prompts, kind, rng):
    """The prompts of each length, each with a copy of its last turn."""
    for prompt in prompts:
        text = prompt[-1]["content"]
        length = find_length(text) if isinstance(text, str) and prompt[-1]["role"] == "user" else None
        copied = None if length is None else KINDS[kind](text, rng)
        if copied not in (None, text):
            yield length, prompt, [*prompt[:-1], {**prompt[-1], "content": copied}]


def recall(prompts, kind, seed=0):
    """The number of copies found and planted, by length; each is looked for among all prompts, and the other way."""
    planted = list(plant(prompts, kind, random.Random(seed)))
    originals, copies = indexed(*(one for _, one, _ in planted)), indexed(*(copy for _, _, copy in planted))
    found, total = Counter(), Counter()
    for length, prompt, copy in planted:
        total[length] += 2
        found[length] += (find(originals, copy) is not None) + (find(copies, prompt) is not None)
    return found, total


# Planted copies


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_made_up_prompts_are_found(kind):
    prompts = [ask(text) for text in make_synthetic_prompts(450, random.Random(kind))]
    found, total = recall(prompts, kind)
    assert total["long"] > 250
    for length in total:
        if kind in MUST_BE_FOUND or length != "short":
            assert found[length] >= 0.99 * total[length], length


@pytest.mark.parametrize(("name", "kind"), [*product(REAL_SETS, MUST_BE_FOUND)])
def test_copies_of_real_prompts_are_found(name, kind):
    prompts = {str(prompt): prompt for _, prompt in read_prompts(name)}
    found, total = recall(prompts.values(), kind)
    assert total.total() > 100
    assert found.total() >= 0.99 * total.total()


@pytest.mark.parametrize("name", REAL_SETS)
def test_changed_words_and_exchanged_sentences_of_real_prompts_are_found_beyond_short_ones(name):
    prompts = [prompt for _, prompt in read_prompts(name)]
    for kind in ("one word changed", "two sentences exchanged"):
        found, total = recall(prompts, kind)
        assert found["medium"] >= 0.9 * total["medium"] > 0


@pytest.mark.parametrize("kind", MUST_BE_FOUND)
def test_the_tests_above_fail_if_only_equal_prompts_are_found(kind, monkeypatch):
    monkeypatch.setattr(NearCopyIndex, "find", lambda *_: None)
    found, total = recall([ask(text) for text in make_synthetic_prompts(9, random.Random(1))], kind)
    assert (found.total(), total.total()) == (0, 18)


@pytest.mark.parametrize("name", REAL_SETS)
def test_real_prompts_seldom_alarm(name):
    prompts, index, alarms = read_prompts(name), NearCopyIndex(), 0
    for row, prompt in prompts:
        normal = normalise_prompt(prompt)
        if normal is not None:
            copy = index.find(normal)
            alarms += copy is not None and copy.row != row
            index.add(normal, row)
    assert alarms <= 0.012 * len(prompts)  # all of them copies, as docs/results.md says


def test_the_prompts_of_the_generated_set_stay_quiet():
    every = [question.format(deed=deed, thing=thing) for question, deed, thing in product(QUESTIONS, DEEDS, THINGS)]
    index = NearCopyIndex()
    for row, text in enumerate([*every, *(row["prompt"] for side in generate() for row in side)]):
        normal = normalise_prompt(ask(text))
        assert index.find(normal) is None, text
        index.add(normal, row)
    assert len(index) == len(every) == 3 * 24 * 24


# What a copy is, and what is none

EGG = "How do I boil an egg?"
LONG = "Please write a short story about an old lighthouse keeper who finds a letter in a bottle on the beach."


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (EGG, "how do i boil an egg", near_copies.RECASED),
        (EGG, "  How do\tI boil\nan egg ?", near_copies.RECASED),
        ("Don't you know?", "dont you know", near_copies.RECASED),
        ("A well-known poet", "a well known poet", near_copies.RECASED),
        ("STRASSE und İzmir", "straße und izmir", near_copies.RECASED),
        ("ｆｕｌｌ width", "full width", near_copies.RECASED),
        ("soft\u00adhyphen\u200b", "softhyphen", near_copies.RECASED),
        (EGG, f"Tell me: {EGG} Answer shortly.", near_copies.WRAPPED),
        (f"Tell me: {EGG} Answer shortly.", EGG, near_copies.UNWRAPPED),
        (EGG, "Tell me: how do i boil an egg", near_copies.WRAPPED),
        ("how do I boil an egg", "how do I boil an egg Answer shortly.", near_copies.WRAPPED),
        ("Sing.", "Tell me: Sing. Answer shortly.", near_copies.WRAPPED),
        (LONG, LONG.replace("bottle", "box"), near_copies.ONE_WORD),
        (LONG, LONG.replace("Please", "Now please"), near_copies.ONE_WORD),
        (LONG, LONG.replace("on the beach", "on beach"), near_copies.ONE_WORD),
        ("Is it cold? Do I need a coat?", "Do I need a coat? Is it cold?", near_copies.REORDERED),
        ("What is 12 * 3?", "what is 12 3", near_copies.RECASED),
        ("what is 12 3", "What is 12 * 3?", near_copies.RECASED),
        ("今天天气怎么样？", "今天 天气怎么样", near_copies.RECASED),
        ("今天天气怎么样", "请回答：今天天气怎么样？请简短回答。", near_copies.WRAPPED),
        ("東京の天気はどうですか。", "教えてください：東京の天気はどうですか。", near_copies.WRAPPED),
        ("อากาศวันนี้เป็นอย่างไร", "อากาศ วันนี้ เป็นอย่างไร?", near_copies.RECASED),
        ("आज मौसम कैसा है?", "बताइए: आज मौसम कैसा है? धन्यवाद।", near_copies.WRAPPED),
        (
            "请写一篇关于一位年老的灯塔看守人在海滩上发现漂流瓶里的一封信的短篇小说",
            "请写一篇关于一位年轻的灯塔看守人在海滩上发现漂流瓶里的一封信的短篇小说",
            near_copies.ONE_WORD,
        ),
    ],
)
def test_a_copy_is_found_and_its_difference_is_named(one, other, expected):
    assert difference(one, other) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (EGG, EGG),
        (EGG, "How do I boil an ostrich?"),
        (EGG, "How do I fry an egg?"),
        ("Man bites dog", "Dog bites man"),
        ("What is 12 + 3?", "What is 1 + 23?"),
        ("What is 12 * 3?", "What is 12 - 3?"),
        ("What is 1.5 + 2?", "What is 15 + 2?"),
        ("How do I sort a list in C?", "How do I sort a list in C++?"),
        ("How do I sort a list in C#?", "How do I sort a list in C++?"),
        ("की मदद", "का मदद"),
        ("Thank you", "Thank you. Now tell me how I can boil an egg in a pan of water."),
        ("Hi!", "Hi! What is the capital of France?"),
        (
            "Why?",
            "Why is the sky blue, and the sea? I asked my teacher. Why? She did not know it. Please help.",
        ),
        (LONG, LONG.replace("bottle", "box").replace("beach", "shore")),
        (LONG, LONG + " " + "And then tell me all that you know of ships, of storms and of the sea. " * 6),
        ("今天天气怎么样", "明天天气怎么样"),
    ],
)
def test_another_prompt_is_no_copy(one, other):
    assert difference(one, other) is None
    assert difference(other, one) is None


def test_a_prompt_that_continues_another_is_no_copy():
    index = indexed(ask(EGG))
    assert find(index, ask("And two eggs?", EGG, "Six minutes.")) is None
    assert find(index, ask(EGG, "Hello.", "Hello! How can I help?")) is None


def test_the_last_turn_may_be_wrapped_and_a_changed_word_must_be_in_a_long_turn():
    history = ("I have a pan, water and a stove.", "Good. With these one can cook many meals, so what do you want?")
    index = indexed(ask(EGG, *history), ask(LONG, *history))
    assert find(index, ask(f"Tell me: {EGG}", *history)).difference == near_copies.WRAPPED
    assert find(index, ask(EGG.lower(), *history)).row == 0
    assert find(index, ask("How do I boil an ostrich?", *history)) is None
    assert find(index, ask(LONG.replace("bottle", "box"), *history)).row == 1
    assert find(index, ask(f"Tell me: {EGG}", "Another.", history[1])) is None


def test_system_messages_stand_apart_and_pictures_and_tools_do_not():
    system = {"role": "system", "content": "Be brief."}
    assert difference(ask(EGG), [system, *ask(EGG)]) == near_copies.OTHER_SYSTEM
    assert difference([system, *ask(EGG)], [system, *ask(EGG)]) is None
    assert difference(ask(EGG, images=["a.png"]), ask(EGG.lower(), images=["a.png"])) == near_copies.RECASED
    assert difference(ask(EGG, images=["a.png"]), ask(EGG.lower(), images=["b.png"])) is None
    parts = [[{"type": "image", "image": name}, {"type": "text", "text": EGG}] for name in "ab"]
    assert difference(ask(parts[0]), ask(parts[1])) is None
    prompts = [normalise_prompt(ask(text), tools) for text, tools in ((EGG, "[]"), (EGG.lower(), '[{"name": "a"}]'))]
    index = NearCopyIndex()
    index.add(prompts[0], 0)
    assert index.find(prompts[1]) is None


@pytest.mark.parametrize("prompt", [[], ask(""), ask("?!"), ask("🙂")])
def test_a_prompt_without_words_has_no_normal_form(prompt):
    assert normalise_prompt(prompt) is None


def test_a_system_message_alone_and_a_lone_surrogate_are_taken():
    assert normalise_prompt([{"role": "system", "content": "Be brief."}]).turns[0].letters == b"bebrief"
    assert normalise_text("a\ud800b\0c").letters


def test_any_text_has_a_normal_form_that_is_its_own():
    for text in make_synthetic_prompts(30, random.Random(3)):
        normal = normalise_text(text)
        assert normalise_text(normal.letters.decode()).letters == normal.letters
        assert normal.starts[-1] == len(normal.letters)
        assert sum(normal.sizes) == len(normal.words)


def test_a_long_prompt_is_compared_by_clauses():
    text = " ".join(make_synthetic_prompts(60, random.Random(5)))
    prompt = normalise_prompt(ask(text))
    assert len(prompt.words) <= normal_prompt.MAX_COMPARED_WORDS < len(prompt.turns[0].words)
    assert difference(text, change_word(text, random.Random(1))) == near_copies.ONE_WORD
    assert difference(text, text[: len(text) // 2]) is None


# Work and memory


def count_work(prompts, **options):
    index = NearCopyIndex(**options)
    for row, text in enumerate(prompts):
        normal = normalise_prompt(ask(text))
        index.find(normal)
        index.add(normal, row)
    return index


def test_prompts_of_one_template_are_not_compared_with_each_other():
    beginning = "Read the following text with care, and write down the one word that is the name of its subject: "
    counts = [count_work(f"{beginning}word{n}" for n in range(size)).compared for size in (200, 2000)]
    assert counts[0] == counts[1] <= 4 * near_copies.MAX_VARIANTS


def test_a_word_in_a_template_is_what_it_asks_about():
    beginning = "Read the following text with care, and write down the one word that is the name of its subject: "
    index = indexed(*(f"{beginning}word{n}" for n in range(10)))
    assert find(index, beginning + "other") is None
    assert find(index, (beginning + "word3").upper()).row == 3


def test_lookups_grow_with_the_rows_alone(monkeypatch):
    lookups = Counter()
    find_place = HashTable._find_place

    def count(table, key):
        lookups["all"] += 1
        return find_place(table, key)

    monkeypatch.setattr(HashTable, "_find_place", count)
    per_row = []
    for size in (600, 4800):
        lookups.clear()
        count_work(make_synthetic_prompts(size, random.Random(2)))
        per_row.append(lookups["all"] / size)
    assert per_row[1] < 1.1 * per_row[0]


def test_memory_is_below_one_kibibyte_a_prompt():
    rng = random.Random(4)
    prompts = [wrap(text, rng) for text in make_synthetic_prompts(3000, rng)]
    assert count_work(prompts).bytes_held < 1024 * 3000
    longest = [" ".join(make_synthetic_prompts(90, rng)) for _ in range(60)]
    index = count_work(longest)
    assert len(index._words) <= 60 * normal_prompt.MAX_COMPARED_WORDS


def test_an_index_that_is_full_counts_what_it_forgets_and_still_finds_copies():
    index = indexed("one question", "another question", "a third question", "One Question!", max_prompts=2)
    assert (len(index), index.forgotten) == (2, 1)
    assert find(index, "ONE QUESTION").row == 0
    assert find(index, "A THIRD QUESTION") is None


def test_a_table_keeps_the_first_number_of_each_hash():
    rng, table, expected = random.Random(6), HashTable(), {}
    for number in range(5000):
        key = rng.choice((rng.getrandbits(64), rng.randrange(1, 50), number << 40 | 1))
        assert table.setdefault(key, number) == expected.setdefault(key, number)
    assert {key: table.get(key) for key in expected} == expected
    assert (len(table), table.get(2**64 - 1), table.get(rng.getrandbits(64))) == (len(expected), None, None)
