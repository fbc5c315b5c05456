"""Functions and innermost loops of a compiled library for 64-bit ARM, as llvm-objdump shows them."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FUNCTION = re.compile(r"^([0-9a-f]+) <(\S+)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
BRANCHES = re.compile(r"^(b|b\..+|cbn?z|tbn?z)$")
TARGET = re.compile(r"0x([0-9a-f]+) <")
VECTOR = re.compile(r"\.(4s|2s|8h|4h|2d)\b")


@dataclass(frozen=True, slots=True)
class Instruction:
    """target: of a branch, its address; None for everything else."""

    address: int
    name: str
    operands: str
    target: int | None

    @property
    def is_dot_product(self) -> bool:
        return self.name == "sdot"

    @property
    def is_vector_fma(self) -> bool:
        """Of floats, or of four bytes for each 32-bit sum: cores do as many of either in a cycle."""
        return self.is_dot_product or (self.name == "fmla" and bool(VECTOR.search(self.operands)))

    @property
    def uses_stack(self) -> bool:
        return "[sp" in self.operands

    @property
    def is_load(self) -> bool:
        return self.name.startswith("ld")

    @property
    def is_store(self) -> bool:
        return self.name.startswith("st")


@dataclass(frozen=True)
class Loop:
    """Instructions from the head to the branch back to it, in the order of their addresses."""

    function: str
    instructions: tuple[Instruction, ...]

    @cached_property
    def fmas(self) -> int:
        return sum(instruction.is_vector_fma for instruction in self.instructions)

    @property
    def share(self) -> float:
        """Of vector multiply-adds among all instructions."""
        return self.fmas / len(self.instructions)

    @property
    def stack(self) -> int:
        return sum(instruction.uses_stack for instruction in self.instructions)

    @property
    def loads(self) -> int:
        return sum(instruction.is_load for instruction in self.instructions)

    @property
    def stores(self) -> int:
        return sum(instruction.is_store for instruction in self.instructions)

    def text(self) -> str:
        """As assembly that another tool reads: branches go to the head, addresses of data are any."""
        lines = ["head:"]
        for instruction in self.instructions:
            operands = re.sub(r"\s*//.*", "", instruction.operands)
            if instruction.target is not None or instruction.name in ("adr", "adrp"):
                operands = re.sub(r"0x[0-9a-f]+ <.*>", "head", operands)
            elif instruction.name == "bl":
                operands = "head"
            lines.append(f"{instruction.name} {operands}")
        return "\n".join(lines) + "\n"


def functions(library: Path) -> dict[str, list[Instruction]]:
    """Of a shared library, by name. Ends the program where llvm-objdump is missing."""
    if not shutil.which("llvm-objdump"):
        sys.exit("Disassembling needs LLVM: sudo apt install llvm")
    # Without its name, arithmetic of halves is shown as unknown.
    command = ["llvm-objdump", "-d", "--no-show-raw-insn", "--mattr=+fullfp16,+dotprod", library]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for line in done.stdout.splitlines():
        if match := FUNCTION.match(line):
            name = match.group(2)
            if not name.startswith("$"):  # $x and $d mark code and data inside a function
                current = found.setdefault(name, [])
        elif match := INSTRUCTION.match(line):
            address, name, operands = match.groups()
            target = TARGET.search(operands) if BRANCHES.match(name) else None
            current.append(Instruction(int(address, 16), name, operands, int(target.group(1), 16) if target else None))
    return found


def innermost_loops(name: str, instructions: list[Instruction]) -> Iterator[Loop]:
    """Every loop that contains no other one. A loop is what lies between a branch and an earlier target of it."""
    first = instructions[0].address
    spans = sorted(
        {(i.target, i.address) for i in instructions if i.target is not None and first <= i.target <= i.address},
        key=lambda span: span[1] - span[0],
    )
    chosen: list[tuple[int, int]] = []
    for start, end in spans:
        if not any(start <= inner_end and inner_start <= end for inner_start, inner_end in chosen):
            chosen.append((start, end))
    for start, end in sorted(chosen):
        yield Loop(name, tuple(i for i in instructions if start <= i.address <= end))
