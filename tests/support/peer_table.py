"""The table of peers: a line for each peer, dialect and dataset type."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peer_runs import PEERS
from support import DATA, DOCS

if TYPE_CHECKING:
    from peer_runs import File

PAGE = DOCS / "results.md"
BEGIN, END = "<!-- the table of peers: make peers writes it -->", "<!-- the end of the table of peers -->"
HEADER = ("peer", "dialect", "dataset type", "rows", "equal", "equal up to the end of turn", "`control_text`", "other")
ENDINGS = ("without the tail", "EOS instead of the tail", "EOS after the end")


@dataclass
class Line:
    """What a peer holds of the rows of one dialect and dataset type."""

    peer: str
    dialect: str
    format: str
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def is_mostly_fine(self) -> bool:
        """Whether more rows are equal up to the end of turn than are not."""
        equal = sum(self.verdicts[name] for name in ("equal", *ENDINGS))
        return equal > self.verdicts.total() - equal

    def as_cells(self) -> tuple[str, ...]:
        """The cells of the table."""
        ends = {name: self.verdicts[name] for name in ENDINGS}
        other = {
            name: count for name, count in self.verdicts.items() if name not in ("equal", "control_text", *ENDINGS)
        }
        spell = lambda counts: "; ".join(f"{count:,} {name}" for name, count in counts.items() if count)  # noqa: E731
        numbers = (f"{self.verdicts.total():,}", f"{self.verdicts['equal']:,}")
        forged = f"{self.verdicts['control_text']:,}" if self.verdicts["control_text"] else ""
        return (self.peer, f"`{self.dialect}`", self.format, *numbers, spell(ends), forged, spell(other))


@dataclass
class Table:
    """The lines, and the peers that were skipped by their reasons."""

    lines: dict[tuple[str, str, str], Line] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, peer: str, version: str, file: File, verdicts: Counter[str]) -> None:
        """Count the rows of a file."""
        name, format = f"{peer} {version}", file.format + (f" ({file.variant})" if file.variant else "")
        line = self.lines.setdefault((name, file.dialect, format), Line(name, file.dialect, format))
        line.verdicts += verdicts

    def skip(self, peer: str, reason: str) -> None:
        """Note a peer that was not read."""
        self.skipped[peer] = reason

    def lines_of(self, peer: str) -> list[Line]:
        """The lines of one peer."""
        return [line for line in self.lines.values() if line.peer.split(" ")[0] == peer]

    @property
    def is_complete(self) -> bool:
        """Whether every peer that can be installed was read, on the real rows."""
        return DATA.exists() and all(self.lines_of(peer.name) for peer in PEERS)

    def as_markdown(self) -> list[str]:
        """The lines of the table."""
        rows = [HEADER, ("---",) * len(HEADER), *(line.as_cells() for line in self.lines.values())]
        rows += [(peer, "", "", "", "", "", "", f"skipped: {reason}") for peer, reason in self.skipped.items()]
        return [f"| {' | '.join(cells)} |" for cells in rows]


def write_table(table: Table) -> None:
    """Write the table into the docs."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    lines = "\n".join(table.as_markdown())
    PAGE.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}", encoding="utf-8")
