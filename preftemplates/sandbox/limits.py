"""The resources that an untrusted template may use."""

from __future__ import annotations

from pydantic import BaseModel, PositiveFloat, PositiveInt

KIB = 1024
MIB = 1024 * KIB


class Limits(BaseModel, frozen=True, extra="forbid"):
    """How much a chat template may need: the first five for itself, the others for one render."""

    source: PositiveInt = 256 * KIB
    """Characters of the template."""
    tokens: PositiveInt = 40_000
    """Tokens of the template: names, operators, texts and blanks; one in eight blocks counts as two, and so on."""
    nesting: PositiveInt = 100
    """Brackets within brackets in the template, and lists and mappings within each other in a value."""
    operators: PositiveInt = 400
    """Operators in a row in one expression; each may be a level of the tree."""
    blocks: PositiveInt = 60
    """Blocks within blocks, such as an `if` in a `for`."""
    steps: PositiveInt = 2_000_000
    """Iterations of loops and filters, and calls of macros."""
    work: PositiveInt = 256 * MIB
    """Bytes that may be written to memory, whether or not they are kept; a little more than are really needed."""
    string: PositiveInt = 16 * MIB
    """Characters of any one text."""
    output: PositiveInt = 64 * MIB
    """Characters of the rendered text."""
    seconds: PositiveFloat = 2.0
    """Seconds of the wall clock."""
    bits: PositiveInt = 256
    """Bits of any whole number."""
