"""The probe texts of the self-check: everything on which engines are known to differ, and random mixes of it."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

from preftemplates.tokens.engines.tokenizer_json import list_byte_characters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAX_LENGTH = 2_000
"""The most characters of a probe text, except for a few long ones."""

_SCRIPTS = (
    "Hello, world! The quick brown fox jumps over the lazy dog.",
    "Ça alors, le cœur déçu: «à bientôt»! Größe, Äußerung, naïve façade, Smørrebrød, Şişli, İstanbul, ıI, ŁÓDŹ",
    "Привет, мир! Съешь ещё этих мягких французских булок. ЁЛКА ёлка",
    "Ὦ ξεῖν’, ἀγγέλλειν Λακεδαιμονίοις; ΟΔΟΣ ὁδός Σίσυφος",
    "שָׁלוֹם עוֹלָם, מה שלומך? «123»",
    "السَّلامُ عَلَيْكُم، كيف حالك؟ ١٢٣٤ ۱۲۳۴ لا ﷺ",
    "नमस्ते दुनिया, कैसे हो? १२३४ क्षत्रिय ड़ क़",
    "বাংলা ভাষা তামিল தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල",
    "สวัสดีชาวโลก นี่คือภาษาไทย ๑๒๓ ລາວ မြန်မာ ខ្មែរ བོད་སྐད།",
    "你好，世界！今天天气怎么样？我想学习编程。繁體中文：臺灣、香港。",
    "こんにちは世界。カタカナとひらがな、漢字。ｶﾀｶﾅ　全角ＡＢＣ１２３ が か\u3099",
    "안녕하세요 세계! 한글 \u1112\u1161\u11ab\u1100\u1173\u11af ㄱㄴㄷ",
    "ქართული ᲥᲐᲠᲗᲣᲚᲘ Հայերեն አማርኛ ᏣᎳᎩ ꮳꮃꭹ ᓀᐦᐃᔭᐍᐏᐣ ᚠᚢᚦ 𐍈𐌰𐌹𐍂 𓀀𓁐 𒀀𒁀 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙𝟚",
    "def f(x):\n    return {'a': x[0] ** 2, \"b\": not x}  # 100%\n\n\nclass A(B):\n\tpass\n",
    "for (int i = 0; i < n; ++i) { a[i] += b->c * 0xFF; } // ok\r\n#include <stdio.h>\r\n",
    '<div class="a">&amp; &lt;p&gt;</div><!-- x --><br/>\n```json\n{"k": [1, 2.5e-3, null]}\n```',
    "https://www.example.com/a/b?c=d&e=%20f#g http://user:pw@[::1]:8080/~x me@example.org C:\\Users\\x\\n",
    "I'm you're he's we'll they'd I've don't can't; I'M YOU'RE HE'S WE'LL THEY'D I'VE DON'T CAN'T 'tis",
    "'S'S 'ſ 'K ’s’LL I'Ll it''s o'clock rock'n'roll y'all'd've 'ſa 'sa 'SA l'été L'ÉTÉ",
    "$1,234.56 −5 ±3 €20 ½ ² ³⁴ ₅ Ⅻ ⅷ ① ⑳ ㊿ 1st 2ND 3.14159 1e10 0b1010 0x1F 1000000 123456789012345",
    "12:34:56 2024-01-31 +1 (555) 010-9999 00.00 1/2 50% 9² #7 a1b2c3 １２３４５ ٠١٢٣٤٥٦٧ 1٢３",
    "— – ‒ ― … ‥ · • ‣ “a” ‘b’ „c‟ ‹d› ¿? ¡! ‽ № ™ © ® § ¶ † ‡ ° ′ ″ ∞ ≠ ≤ ∑ ∫ √ → ⇒ ⟨⟩ ■ ★ ♥ ✓ ⌘ ☎",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n- [ ] x\n  * y\n\n> z\n\n### Title ###\n\n1. one\n2) two\n",
    '***bold*** __u__ ~~s~~ `code` [a](b "c") ![d](e)\n---\n* * *\n\n\n    indented\n\ttab\n',
    "$$\\sum_{i=1}^{n} x_i^2 = \\frac{a}{b}$$ \\begin{align} \\alpha &= \\beta \\\\ \\end{align}",
)


def _split(*texts: str) -> list[str]:
    """Split texts into words; lists with one word per line would fill pages."""
    return [word for text in texts for word in text.split(" ")]


_EMOJI = _split("😀 👍🏽 👩‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🇫🇮🇩🇪 ❤️ ☺ ☺️ 1️⃣ 🧑🏿‍🤝‍🧑🏻 🫨 🪿 \U0001fae9")

_NORMALIZED = _split(
    "é e\u0301 \u0301 \u0301\u0302 a\u0323\u0307 a\u0307\u0323 \u212b \u00c5 A\u030a ﬁ ﬀ ſ \u1e9b\u0323 \u0344",
    "\u0958 \u0915\u093c 가 \u1100\u1161 \u1100\u1161\u11a8 Ⓐ ㎏ ㍿ \u2126 \u212a ß ẞ ŉ ǆ ǅ İ i\u0307 ı ΐ ΣΑΣ σας",
    "ς Ǆ \u0345 \u1fb3 ½ ﬅ Å \uff76\uff9e e\u0301\u0301 \u0e33 \u0f71\u0f72 \U0001d160 \u00a8 \u00b4 … ‥ \u2011",
    "\ufb4f \u3131 \uffa1",
)
"""Characters that normalizers compose, decompose, lowercase, strip or replace, and the results of that."""

_SPACES = (
    *" \t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029",
    *"\u202f\u205f\u3000",
    *("\r\n", "\n\r", "  ", "   ", "    ", "\t\t", "\n\n", "\n\n\n", " \n", "\n ", " \n ", "\t\n", "  \n\n  "),
    *("\r\n\r\n", " \r\n", "\n\t", "  \xa0", "\xa0 ", "\u3000\n", "\x0b\n"),
)

_INVISIBLE = (
    *"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f",
    *"\x80\x86\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u180b\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060",
    *"\u2061\u2064\u2066\u206a\u2800\u3164\ufe00\ufe0e\ufe0f\ufeff\ufff9\ufffc\ufffd\ufffe\uffff\ue000\uf8ff",
    *"\U000e0001\U000e0041\U000e0100\U000f0000\U00040000\U00080000\U0010ffff",
)

_RECENT = tuple(
    "\u0378\u0380\u0897\u089e\u08c8\u0cdd\u1ac1\u1b4e\u1c89\u1c8a\u20c0\u2427\u2c2f\u2e5c\u2fe0\ua7c0\ua7cb\ua7dc\ua7f2"
    "\ufdcf\U00010570\U00010d40\U00010d4a\U00011f00\U00011f50\U00016d40\U0001df00\U0001e4d0\U0001e5d0\U0001e5f1"
    "\U0001e900\U0001e922\U0001fa75\U0002a6de\U0002b739\U0002ebf0\U00031350\U000323b0"
)
"""Characters from recent Unicode versions, and code points without a character so far."""

_WORDS = _split(
    "a A I the The THE hello don't DON'T we'll 's 'S 'll ' '' \" x1 1x iPhone HTTPResponse snake_case camelCase",
    "... .. !! ?! -- --- == => -> :: // /* \\n # ## #### @ _ __ ▁ ▁▁ Ġ Ċ < > </ <| |> [ ] [[ <0x0A> <unk>",
    "[UNK] <pad> a.b 0 1 12 123 1234 12345 123456 1234567 1,000 ٣ १२३४ １２３ 日本 Привет naïve ﬁn",
)

_REPEATED = (
    *_split("a ab A the 日 é e\u0301 \u0301 😀 1 = - . ' 's \u200b ▁ < <| # 0 _ \x04 ا ก"),
    *("abc ", "12 ", " ", "\n", "\t", "\r\n", " \n", "- ", "the ", "\xa0", "\u3000"),
)

_LENGTHS = (2, 3, 7, 16, 63, 64, 99, 100, 101, 256, 700)
"""How often a text is repeated; some models give up on words of more than 100 characters."""

_LONG = ("\n", " ", "a", "ab ", "日", "\u3000\n", "1")
_MAX_LONG = 40_000
"""The length of a few long texts: some engines cut long texts and encode the parts in several threads."""

_MAX_TOKENS = 300
"""How many added tokens are drawn for the mixes."""

_MAX_WORDS = 4_000
"""How many tokens of the vocabulary are drawn for the mixes."""


def list_probe_texts(description: dict[str, Any]) -> list[str]:
    """Return the probe texts for a tokenizer, the same ones on each call.

    They are texts in many scripts, code and URLs; accents in all forms, whitespace, invisible characters and long
    words; every added token alone, inside words, between spaces, twice, at line ends and cut short; words of the
    vocabulary; and random mixes of all these. Each has at most 2,000 characters, except for eight of 40,000.

    Args:
        description: the object in the tokenizer's `tokenizer.json`.

    Example:
        >>> description = {"model": {"vocab": {"a": 0}}, "added_tokens": [{"content": "<s>"}]}
        >>> texts = list_probe_texts(description)
        >>> len(texts) > 1_000, "x<s>x" in texts, max(map(len, texts))
        (True, True, 40000)
    """
    rng = Random(0)
    added_tokens = [token["content"] for token in description.get("added_tokens") or () if token["content"]]
    texts = ["", *_SCRIPTS, *(text.upper() for text in _SCRIPTS), *(text.lower() for text in _SCRIPTS)]
    atoms = (*_EMOJI, *_NORMALIZED, *_SPACES, *_INVISIBLE, *_RECENT)
    for atom in atoms:
        # inside "the": a tokenizer without a token for a byte drops it and merges its neighbours
        texts += [atom, f"a{atom}b", f"th{atom}e the{atom} {atom}The", f"1{atom}2 .{atom}. {atom}{atom} 日{atom}本"]
        texts += [f"e\u0301{atom}\u0323"]  # a normalizer moves the dot across an atom that is an accent
    runs = ["".join(run) + "x" for run in product(" \n\t\r\x0b\xa0a.", repeat=4)]
    # all runs of four, since `\s+(?!\S)` and `\s*[\r\n]+` of pre-tokenizers cut them by what follows; joined, to
    # encode fewer texts
    texts += ["".join(runs[start : start + 100]) for start in range(0, len(runs), 100)]
    texts += ["".join(rng.choices(" \n\r\t\x0b\x0c\xa0\u3000a1", k=20)) for _ in range(200)]
    texts += [place.replace("_", word) for word in _WORDS for place in ("_", " _", "_ ")]
    texts += [text * length for text in _REPEATED for length in _LENGTHS]
    texts += [" ".join([text] * 20) for text in _SCRIPTS]
    texts += [f"{'a' * length} b{'b' * length}." for length in _LENGTHS]
    texts += [text for token in added_tokens for text in _surround_token(token)]
    drawn_tokens = rng.sample(added_tokens, min(len(added_tokens), _MAX_TOKENS))
    pool = [*atoms, *_WORDS, *_WORDS, *(word for text in _SCRIPTS for word in text.split(" ")), *drawn_tokens]
    # the second pool has more added tokens, of which a tokenizer may have only a few
    texts += [*_mix(rng, pool, 200), *_mix(rng, [*pool, *drawn_tokens * 9], 100)]
    words = _spell_vocabulary(description, rng)
    # pre-tokenizers cut at spaces, so merges are tried with few of them and with many
    texts += [*_mix(rng, words, 150), *_mix(rng, [*words, *[" "] * len(words)], 150)]
    long_texts = [(text * _MAX_LONG)[:_MAX_LONG] for text in (*_LONG, " ".join(_SCRIPTS))]
    return [*dict.fromkeys(text[:_MAX_LENGTH] for text in texts), *long_texts]


def _surround_token(token: str) -> list[str]:
    """Return an added token in the surroundings in which engines differ."""
    places = (
        *("{}", "x{}x", "é{}1", " {} ", "a  {}  b", "{}{}", "{} {}", "\n{}\n", "\r\n\t{}\xa0\u3000", ".{}'s", "_{}0"),
        *("{}a", "a{}", "a {}b", "a{} b"),
    )
    variants = [token[:-1], token[1:], f"a{token[:-1]}{token}b", token.upper(), token.lower()]
    return [*(place.replace("{}", token) for place in places), *variants]


def _mix(rng: Random, pool: Sequence[str], number: int) -> Iterator[str]:
    """Yield texts of drawn parts, mostly short, with spaces between some parts."""
    for _ in range(number if pool else 0):
        parts = rng.choices(pool, k=rng.choice((2, 3, 5, 8, 13, 40)))
        yield "".join(part + rng.choice(("", "", " ")) for part in parts)


def _spell_vocabulary(description: dict[str, Any], rng: Random) -> list[str]:
    """Return texts of drawn vocabulary tokens, decoded from bytes if possible, or with the usual marks replaced."""
    vocabulary = description["model"]["vocab"]
    tokens = [*vocabulary] if isinstance(vocabulary, dict) else [token for token, _ in vocabulary]
    byte_numbers = {character: byte for byte, character in enumerate(list_byte_characters())}
    words = []
    for token in rng.sample(tokens, min(len(tokens), _MAX_WORDS)):
        if all(character in byte_numbers for character in token):
            # a token may be half a character
            words.append(bytes(byte_numbers[character] for character in token).decode(errors="ignore"))
        words.append(token.replace("▁", " ").removeprefix("##"))  # the marks of SentencePiece and WordPiece
    return [word for word in dict.fromkeys(words) if word]
