"""The resources that an untrusted template may use."""

from __future__ import annotations

from pydantic import BaseModel, PositiveFloat, PositiveInt

KIB = 1024
MIB = 1024 * KIB


class Limits(BaseModel, frozen=True, extra="forbid"):
    """Limits of a chat template: the first five apply to its source, the others to each render."""

    source: PositiveInt = 256 * KIB
    """Characters of the source."""
    tokens: PositiveInt = 40_000
    """Tokens of the source, whitespace included; inside 8 open blocks a token counts twice, inside 16 three times."""
    nesting: PositiveInt = 100
    """Brackets inside brackets in the source, and lists and mappings inside each other in a value."""
    operators: PositiveInt = 400
    """Operators in a row in one expression; each may be a level of the tree."""
    blocks: PositiveInt = 60
    """Blocks inside blocks, such as an `if` in a `for`."""
    steps: PositiveInt = 2_000_000
    """Iterations of loops and filters, and calls of macros."""
    work: PositiveInt = 256 * MIB
    """Bytes written to memory, whether or not they are kept; estimated slightly too high."""
    string: PositiveInt = 16 * MIB
    """Characters of any one string."""
    output: PositiveInt = 64 * MIB
    """Characters of the rendered text."""
    seconds: PositiveFloat = 2.0
    """Seconds of the wall clock."""
    bits: PositiveInt = 256
    """Bits of any whole number."""
