"""What the code counters take for a loop, a multiply-add and an access to the stack."""

from tests.codegen.assembly import Instruction, innermost_loops

TEXT = """
100 mov x9, #16
104 ldr q0, [x1], #16
108 fmla v1.4s, v0.4s, v2.s[0]
10c str q1, [sp, #32]
110 subs x9, x9, #1
114 b.ne 0x104 <kernel_compute_+0x4>
118 fmla s3, s4, v5.s[0]
11c cbz x10, 0x124 <kernel_compute_+0x24>
120 fmla v6.8h, v7.8h, v8.8h
122 sdot v9.4s, v10.16b, v11.4b[2]
124 cbnz x11, 0x100 <kernel_compute_>
128 ret
"""


def instructions() -> list[Instruction]:
    found = []
    for line in TEXT.strip().splitlines():
        address, name, *operands = line.split(maxsplit=2)
        text = operands[0] if operands else ""
        branch = int(text.split("0x")[1].split()[0], 16) if "0x" in text else None
        found.append(Instruction(int(address, 16), name, text, branch))
    return found


def test_only_the_innermost_loop_is_hot() -> None:
    (loop,) = innermost_loops("kernel_compute_", instructions())
    assert [hex(i.address) for i in loop.instructions] == ["0x104", "0x108", "0x10c", "0x110", "0x114"]
    assert (loop.fmas, loop.loads, loop.stores, loop.stack) == (1, 1, 1, 1)
    assert loop.share == 0.2


def test_a_scalar_multiply_add_is_none_of_a_vector() -> None:
    assert [hex(i.address) for i in instructions() if i.is_vector_fma] == ["0x108", "0x120", "0x122"]


def test_a_loop_is_written_so_that_another_tool_reads_it() -> None:
    (loop,) = innermost_loops("kernel_compute_", instructions())
    text = loop.text()
    assert text.startswith("head:\nldr q0, [x1], #16\n")
    assert text.endswith("b.ne head\n")
