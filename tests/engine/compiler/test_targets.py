"""Targets: presets, the one that fits a machine, and those that a user writes."""

import json
from pathlib import Path

import pytest

from engine.compiler import host, targets
from engine.compiler.host import CoreGroup, Host
from engine.errors import CompilerError

ARM_BOARDS = ["apple-silicon", "generic-aarch64", "jetson-nano", "jetson-orin", "rpi4", "rpi5", "snapdragon"]
MODERN_ARM = frozenset({"ASIMD", "ASIMDHP", "ASIMDDP"})


def arm(part: str, features: frozenset[str] = MODERN_ARM, system: str = "Linux") -> Host:
    return Host(
        "aarch64", system, "", features, (CoreGroup(4, 1024, 2400, part), CoreGroup(4, 446, 1800, "0x41/0xd05"))
    )


def foreign() -> str:
    """A preset of the other architecture."""
    return "rpi4" if host.detect().architecture == "x86-64" else "x86-64-v2"


@pytest.mark.parametrize("name", targets.available())
def test_every_preset_is_whole(name: str) -> None:
    target = targets.load(name, here=False)
    assert target.description
    assert target.lanes >= 4
    assert target.threads >= 1
    assert target.triple or name == targets.host_preset()


@pytest.mark.parametrize("name", ARM_BOARDS)
def test_neon_has_four_lanes_and_thirty_two_registers(name: str) -> None:
    target = targets.load(name, here=False)
    assert target.lanes * target.registers == 128
    assert target.architecture == "aarch64"


@pytest.mark.parametrize(
    ("machine", "preset"),
    [
        (arm("0x41/0xd08", frozenset({"ASIMD"})), "rpi4"),
        (arm("0x41/0xd0b"), "rpi5"),
        (arm("0x41/0xd07", frozenset({"ASIMD"})), "jetson-nano"),
        (arm("0x41/0xd42"), "jetson-orin"),
        (arm("0x41/0xd44"), "snapdragon"),
        (arm("", system="Darwin"), "apple-silicon"),
        (arm("0x41/0xfff"), "generic-aarch64"),
        (arm(""), "generic-aarch64"),
        # A kernel or an emulator that hides what the core has.
        (arm("0x41/0xd0b", frozenset({"ASIMD"})), "generic-aarch64"),
        (Host("x86-64", "Linux", "", frozenset({"SSE42"}), ()), "x86-64-v2"),
        (Host("x86-64", "Linux", "", frozenset({"AVX2", "FMA3"}), ()), "x86-64-v3"),
        (
            Host("x86-64", "Linux", "", frozenset({"AVX2", "FMA3", "AVX512F", "AVX512CD", "AVX512_SKX"}), ()),
            "x86-64-v4",
        ),
    ],
)
def test_a_machine_gets_the_richest_preset_that_it_can_run(machine: Host, preset: str) -> None:
    choice = targets.choose(machine)
    assert choice.name == preset
    assert choice.reason


def test_another_processor_is_told_so() -> None:
    with pytest.raises(CompilerError, match="riscv64"):
        targets.choose(Host("riscv64", "Linux", "", frozenset(), ()))


def test_a_foreign_target_does_not_run_here_but_says_what_to_do() -> None:
    with pytest.raises(CompilerError, match="--export"):
        targets.load(foreign())
    assert targets.load(foreign(), here=False).triple


def test_this_machines_own_preset_compiles_for_its_own_system() -> None:
    """Whether it is Linux, macOS or Windows, TVM's default triple says."""
    assert targets.load().triple == targets.load(targets.host_preset(), here=False).triple == ""


def test_a_board_has_its_own_cores() -> None:
    assert targets.load("jetson-orin" if foreign() == "rpi4" else foreign(), here=False, threads=3).threads == 3
    assert targets.load("rpi4", here=False).threads == 4 or targets.host_preset() == "rpi4"


def test_tvms_dictionary_is_a_target() -> None:
    target = targets.load(
        '{"kind": "llvm", "mcpu": "haswell", "mtriple": "x86_64-linux-gnu", "num-cores": 3}', here=False
    )
    assert (target.name, target.lanes, target.registers, target.threads) == ("haswell", 8, 16, 3)
    wide = targets.load('{"kind": "llvm", "mcpu": "znver4", "mtriple": "x86_64-linux-gnu"}', here=False)
    assert (wide.lanes, wide.registers) == (16, 32)
    neon = targets.load('{"kind": "llvm", "mcpu": "cortex-a78", "mtriple": "aarch64-linux-gnu"}', here=False)
    assert (neon.lanes, neon.registers, neon.architecture) == (4, 32, "aarch64")


def test_what_the_dictionary_asks_for_is_asked_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Host("x86-64", "Linux", "", frozenset({"SSE42"}), (CoreGroup(2, 1024),))
    monkeypatch.setattr(host, "detect", lambda: plain)
    with pytest.raises(CompilerError, match="AVX512F"):
        targets.load('{"kind": "llvm", "mcpu": "znver4", "mtriple": "x86_64-linux-gnu"}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("z80", "rpi5"),
        ('{"kind": "llvm", "mcpu": ', "no JSON"),
        ('{"mcpu": "znver4"}', "kind"),
        ("../targets/rpi5", "Unknown"),
        ('{"kind": "nonsense"}', "nonsense"),
        ('{"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a7x"}', "cortex-a7"),
        ("there/is/none.yaml", "cannot be read"),
    ],
)
def test_a_target_that_makes_no_sense_is_told_so(text: str, message: str) -> None:
    with pytest.raises(CompilerError, match=message):
        targets.load(text, here=False)


def test_a_users_own_file_is_a_target(tmp_path: Path) -> None:
    path = tmp_path / "my board.yaml"
    path.write_text(
        "tvm: {kind: llvm, mtriple: aarch64-linux-gnu, mcpu: cortex-a55}\nlanes: 8\nregisters: 16\ncores: 6\n"
    )
    target = targets.load(str(path), here=False)
    assert (target.name, target.lanes, target.registers, target.threads) == ("my board", 8, 16, 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lanes": None}, "lanes"),
        ({"lanes": "wide"}, "lanes"),
        ({"registers": 0}, "registers"),
        ({"tvm": "llvm"}, "kind"),
        ({"tvm": {"kind": "opencl"}}, "opencl"),
        ({"cores": True}, "cores"),
        ({"cache_kib": [0]}, "cache_kib"),
        ({"clock_ghz": "fast"}, "clock_ghz"),
        ({"features": "AVX2"}, "features"),
        ({"lane": 4}, "unknown key “lane”"),
    ],
)
def test_a_users_own_file_is_checked(tmp_path: Path, change: dict[str, object], message: str) -> None:
    content = {"tvm": {"kind": "llvm"}, "lanes": 4, "registers": 16} | change
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps(content))  # JSON is YAML
    with pytest.raises(CompilerError, match=message):
        targets.load(str(path), here=False)


def test_only_what_changes_the_code_is_part_of_the_identity() -> None:
    target = targets.load()
    assert targets.load(threads=target.threads + 1).identity() != target.identity()
    assert target.description not in target.identity()


def test_half_precision_is_for_cores_that_have_it() -> None:
    assert targets.load("rpi5", here=False, precision="fp16").vector_lanes == 8
    assert targets.load("rpi5", here=False).vector_lanes == 4
    assert targets.load("rpi5", here=False).identity() != targets.load("rpi5", here=False, precision="fp16").identity()
    with pytest.raises(CompilerError, match=r"rpi4.*no half-precision arithmetic.*rpi5"):
        targets.load("rpi4", here=False, precision="fp16")
    with pytest.raises(CompilerError, match="Unknown precision “fp8”"):
        targets.load("rpi5", here=False, precision="fp8")


def test_eight_bits_are_for_cores_that_the_program_has_kernels_for() -> None:
    target = targets.load("x86-64-v4", threads=2, here=False, precision="int8")
    assert target.tvm["mattr"] == ["+avx512vnni"]
    assert "AVX512VNNI" in target.features
    assert (target.elements, target.records_name) == ("float32", "x86-64-v4-int8")
    assert target.identity() != targets.load("x86-64-v4", threads=2, here=False).identity()
    assert "mattr" not in targets.load("x86-64-v4", threads=2, here=False).tvm
    known = "apple-silicon, jetson-orin, rpi5, snapdragon, x86-64-v3, x86-64-v4"
    with pytest.raises(CompilerError, match=rf"no 8-bit arithmetic for the target “rpi4”.*int8 is for {known}\."):
        targets.load("rpi4", here=False, precision="int8")


@pytest.mark.parametrize("name", ["apple-silicon", "jetson-orin", "rpi5", "snapdragon"])
def test_arm_cores_with_dot_products_compute_in_eight_bits(name: str) -> None:
    target = targets.load(name, here=False, precision="int8")
    assert "+dotprod" in target.tvm["mattr"]
    assert "ASIMDDP" in target.features
    assert (target.vector_lanes, target.elements) == (4, "float32")


def test_a_processor_without_the_dot_product_refuses_eight_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"AVX2", "FMA3", "AVX512F", "AVX512CD", "AVX512_SKX"}
    machine = Host("x86-64", "Linux", "", frozenset(known), (CoreGroup(2, 1024),))
    monkeypatch.setattr(host, "detect", lambda: machine)
    assert targets.load().name == "x86-64-v4"
    with pytest.raises(CompilerError, match=r"needs AVX512VNNI, which.* has not\. Use --precision fp32\."):
        targets.load(precision="int8")


def test_avx2_computes_in_eight_bits_where_the_processor_has_avx_vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    def machine(*features: str) -> Host:
        return Host("x86-64", "Linux", "", frozenset({"AVX2", "FMA3", *features}), (CoreGroup(2, 1024),))

    monkeypatch.setattr(host, "detect", lambda: machine("AVXVNNI"))
    target = targets.load(precision="int8")
    assert (target.name, target.lanes, target.tvm["mattr"]) == ("x86-64-v3", 8, ["+avxvnni"])
    monkeypatch.setattr(host, "detect", machine)
    with pytest.raises(CompilerError, match=r"needs AVXVNNI, which.* has not\. Use --precision fp32\."):
        targets.load(precision="int8")
    # As the message says, it can be compiled for a machine like this one that has the instructions.
    exported = targets.load("x86-64-v3", here=False, precision="int8")
    assert exported.tvm["mattr"] == ["+avxvnni"]
    assert exported.triple.startswith("x86_64")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lanes": 8}, r"for aarch64 with 8 lanes, and its dot_product “sdot” for aarch64 with 4\. Correct"),
        ({"tvm": {"kind": "llvm", "mtriple": "x86_64-linux-gnu"}}, "is for x86-64 with 4 lanes, and its"),
        ({"dot_product": "udot"}, "“dot_product” to be vnni or avx-vnni or sdot, not 'udot'"),
    ],
)
def test_a_dot_product_that_the_cores_cannot_have_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    tvm = {"kind": "llvm", "mtriple": "aarch64-linux-gnu"}
    content = {"tvm": tvm, "lanes": 4, "registers": 32, "dot_product": "sdot"}
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps(content))
    assert targets.load(str(path), here=False, precision="int8").features == ("ASIMDDP",)
    path.write_text(json.dumps(content | change))
    with pytest.raises(CompilerError, match=message):
        targets.load(str(path), here=False, precision="int8")
