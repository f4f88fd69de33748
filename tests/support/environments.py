"""One environment a peer, made by uv: `python tests/support/environments.py build/peers`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Peer(NamedTuple):
    """What is installed beside torch, of which the project's pin holds.

    Attributes:
        requirements: the peer, of a version, and what it imports without asking for it.
        overrides: requirements in the place of the peer's own.
        without: requirements of the peer that its loaders do not import, and that need CUDA or do not fit torch.
        no_library: packages whose compiled library is taken away: it is linked with CUDA, and they do without it.
        torch: whether torch is installed; a client of an API needs none.
    """

    requirements: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    no_library: tuple[str, ...] = ()
    torch: bool = True


PEERS = {
    "axolotl": Peer(("axolotl==0.19.0",)),
    "llama-factory": Peer(("llamafactory==0.9.5",), without=("torchvision",), no_library=("torchaudio",)),
    "ms-swift": Peer(("ms-swift==4.6.0",)),
    "openai": Peer(("openai==3.57.0",), torch=False),
    "openrlhf": Peer(("openrlhf==0.11.2",), without=("flash-attn", "deepspeed", "bitsandbytes")),
    "reward-bench": Peer(
        ("rewardbench==0.1.4", "setuptools<81"), overrides=("datasets>=3,<4",), without=("bitsandbytes",)
    ),
    "torchtune": Peer(("torchtune==0.6.1", "torchao==0.15.0", "transformers>=5")),
    "verl": Peer(("verl==0.9.1", "fastapi", "uvicorn")),
}

NOT_INSTALLED = {
    "align-anything": "the registry's package of that name is an empty example, 0.0.1b0",
    "nemo-rl": "the registry's package of that name is empty, 0.0.0",
}
"""Peers that no registry has."""


def make(peer: str, folder: Path) -> str | None:
    """Make the environment of a peer in a folder of its name; the last line of uv's where it cannot be made."""
    spec, home = PEERS[peer], folder / peer
    error = folder / f"{peer}.error"
    error.unlink(missing_ok=True)
    overrides = folder / f"{peer}.overrides.txt"
    never = [f"{name}; sys_platform == 'never'" for name in spec.without]
    overrides.write_text("\n".join([*spec.overrides, *never]) + "\n")
    constraints = folder / "constraints.txt"
    constraints.write_text("torch==2.13.0\n")
    python = home / "bin" / "python"
    for words in (
        ["venv", "--quiet", "--allow-existing", "--python", sys.executable, str(home)],
        ["pip", "install", "--quiet", "--python", str(python), "--constraints", str(constraints),
         "--overrides", str(overrides), *spec.requirements, *(["torch"] if spec.torch else [])],
    ):  # fmt: skip
        done = subprocess.run([str(Path(sys.executable).parent / "uv"), *words], capture_output=True, text=True)
        if done.returncode:
            said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            error.write_text(f"{said[0]} {said[-1]}\n" if said else "uv failed\n")
            return error.read_text().strip()
    for package in spec.no_library:
        for library in home.glob(f"lib/python*/site-packages/{package}/lib/*.so"):
            library.unlink()
    return None


def main(folder: Path) -> None:
    """Make every environment, and say which could not be made."""
    folder.mkdir(parents=True, exist_ok=True)
    for peer in PEERS:
        refused = make(peer, folder)
        print(f"{peer}: {'installed' if refused is None else f'not installed: {refused}'}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
