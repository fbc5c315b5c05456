"""What a network is compiled for: presets beside this module, the one that fits this machine, and a user's own.

A preset is a YAML file, and so is a user's own target:

description:   which machines.
tvm:           TVM's target dictionary. Its mtriple, such as aarch64-linux-gnu, is left out where this machine compiles
               for itself: then the compiler's own default fits the system.
lanes:         floats of a vector register; also the channel block of the layout.
half_lanes:    half-precision floats of a vector register, where the core multiplies such; else left out.
dot_product:   instruction for sums of 8-bit products that such cores may have, a name of DOT_PRODUCTS; else left out.
registers:     vector registers.
cores:         workers that share a kernel's tasks on such a machine. Default: this machine's.
cache_kib:     [first level for data, second level, …] of one core; the last one is shared by all.
clock_ghz:     of these cores.
fma_per_cycle: float32 multiply-adds that one core can finish in a cycle, as its designer publishes it.
features:      instruction sets that the code needs, as `Host` names them.
parts:         ARM cores, as "implementer/part", for which detection chooses the preset.

Never imports TVM.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from engine.compiler import host, records
from engine.compiler.folders import tuning_folder
from engine.compiler.host import ARCHITECTURES, MOST_THREADS, Host
from engine.errors import CompilerError
from models.json_text import from_json
from models.yaml_text import from_yaml

__all__ = [
    "MOST_THREADS",
    "PRECISIONS",
    "Choice",
    "Target",
    "available",
    "choose",
    "default_threads",
    "host_preset",
    "load",
]

FOLDER = Path(__file__).parent
PRECISIONS = ("fp32", "fp16", "int8")
LIMITS = {"lanes": (1, 64), "half_lanes": (1, 128), "registers": (4, 64), "cores": (1, 256), "fma_per_cycle": (1, 256)}
KEYS = {"description", "tvm", "cache_kib", "clock_ghz", "features", "parts", "dot_product", *LIMITS}
OPTIONAL = KEYS - {"tvm", "lanes", "registers"}
SUFFIXES = (".yaml", ".yml")
UNKNOWN_CACHE_KIB = 256  # of a core's second-level cache where a target does not say


@dataclass(frozen=True, slots=True)
class DotProduct:
    """attribute: what LLVM is asked to use. feature: the instruction set that the code then needs, as `Host` names it.
    lanes: sums of four products that an instruction can add to."""

    attribute: str
    feature: str
    architecture: str
    lanes: tuple[int, ...]


DOT_PRODUCTS = {
    "vnni": DotProduct("+avx512vnni", "AVX512VNNI", "x86-64", (4, 8, 16)),
    "avx-vnni": DotProduct("+avxvnni", "AVXVNNI", "x86-64", (4, 8)),
    "sdot": DotProduct("+dotprod", "ASIMDDP", "aarch64", (4,)),
}


@dataclass(frozen=True, slots=True)
class Target:
    """name: of the preset, or of the user's own file. threads: workers that share a kernel's tasks. tuned: tilings that a
    search found, by operator. precision: of PRECISIONS, of activations and weights; int8: in 1×1 and transposed
    convolutions. For the rest see this module; what is not known is empty or None."""

    name: str
    tvm: dict[str, Any]
    lanes: int
    registers: int
    threads: int
    description: str = ""
    cache_kib: tuple[int, ...] = ()
    clock_ghz: float | None = None
    fma_per_cycle: int | None = None
    features: tuple[str, ...] = ()
    half_lanes: int | None = None
    dot_product: str | None = None
    precision: str = "fp32"
    tuned: dict[str, Any] = field(default_factory=dict)

    def identity(self) -> str:
        """All that changes the compiled code, as text."""
        tuned = hashlib.sha256(json.dumps(self.tuned, sort_keys=True).encode()).hexdigest()[:16] if self.tuned else ""
        layout = [self.precision, self.vector_lanes, self.registers, self.threads, self.cache_kib]
        return json.dumps([self.tvm, *layout, tuned], sort_keys=True)

    @property
    def vector_lanes(self) -> int:
        """Elements of a vector register in the target's precision."""
        return self.half_lanes if self.precision == "fp16" and self.half_lanes else self.lanes

    @property
    def elements(self) -> str:
        """NumPy's name of the precision."""
        return "float16" if self.precision == "fp16" else "float32"

    @property
    def records_name(self) -> str:
        """Under which tuning records of this target and precision are kept."""
        return self.name if self.precision == "fp32" else f"{self.name}-{self.precision}"

    @property
    def second_level_bytes(self) -> int:
        """What one core can count on of the second-level cache."""
        if len(self.cache_kib) < 2:
            return UNKNOWN_CACHE_KIB * 1024
        shared = self.threads if len(self.cache_kib) == 2 else 1
        return self.cache_kib[1] * 1024 // shared

    @property
    def triple(self) -> str:
        """Processor and system that the library is for, as LLVM names them; "" for this machine."""
        return str(self.tvm.get("mtriple", ""))

    @property
    def architecture(self) -> str:
        """ "x86-64", "aarch64", or what the triple calls any other one."""
        machine = self.triple.partition("-")[0].lower()
        return ARCHITECTURES.get(machine, machine) if machine else host.detect().architecture

    def fault_here(self) -> str | None:
        """Why this machine cannot run code for the target, or None if it can."""
        here = host.detect()
        if self.architecture != here.architecture:
            return f"is for {self.architecture}, and this machine is {here.architecture}"
        missing = [name for name in self.features if name not in here.features]
        return f"needs {', '.join(missing)}, which this machine's processor has not" if missing else None


@dataclass(frozen=True, slots=True)
class Choice:
    """The preset that fits a machine, and the reason in a few words."""

    name: str
    reason: str


def available() -> list[str]:
    """Presets of processors. Those of GPUs lie beside them and have more keys, which `engine.compiler.gpu` reads."""
    names = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return [name for name in names if _content(name)["tvm"]["kind"] == "llvm"]


def load(name: str | None = None, threads: int | None = None, *, precision: str = "fp32", here: bool = True) -> Target:
    """A preset by name, a user's own target, or the preset that fits this machine.

    name: of a preset; a YAML file like a preset; TVM's target dictionary as JSON; None for this machine's preset.
    precision: of PRECISIONS. Raises CompilerError where the target's cores have no arithmetic of that kind.
    here: whether this machine is to run the network. Raises CompilerError where it cannot.

    Raises CompilerError with the known names for an unknown one, and where a user's own target makes no sense.
    """
    own = choose().name
    target = _in_precision(_read(name or own, threads), precision)
    fault = target.fault_here()
    if here and fault:
        only_precision = precision != "fp32" and not _read(name or own, threads).fault_here()
        instead = "Use --precision fp32. " if only_precision else ""
        raise CompilerError(
            f"The target “{target.name}” {fault}. {instead}To compile for another machine, use main.py compile --target "
            f"{target.name} --export DIR."
        )
    if here or (target.name == own and not fault):
        target = replace(target, tvm={key: value for key, value in target.tvm.items() if key != "mtriple"})
    return replace(target, tuned=records.tuned(target.records_name, target.threads, tuning_folder()))


def _in_precision(target: Target, precision: str) -> Target:
    """Raises CompilerError where the target's cores have no arithmetic of that kind."""
    if precision not in PRECISIONS:
        raise CompilerError(f"Unknown precision “{precision}”. Choose one of {', '.join(PRECISIONS)}.")
    if precision == "fp16" and not target.half_lanes:
        raise CompilerError(
            f"The cores of the target “{target.name}” have no half-precision arithmetic. Use --precision fp32; fp16 is for "
            f"{', '.join(name for name in available() if _content(name).get('half_lanes'))}."
        )
    if precision == "int8":
        if not target.dot_product:
            raise CompilerError(
                f"The program has no 8-bit arithmetic for the target “{target.name}”. Use --precision fp32; int8 is for "
                f"{', '.join(name for name in available() if _content(name).get('dot_product'))}."
            )
        used = DOT_PRODUCTS[target.dot_product]
        if target.architecture != used.architecture or target.lanes not in used.lanes:
            raise CompilerError(
                f"The target “{target.name}” is for {target.architecture} with {target.lanes} lanes, and its dot_product "
                f"“{target.dot_product}” for {used.architecture} with {' or '.join(map(str, used.lanes))}. Correct its file."
            )
        tvm = {**target.tvm, "mattr": [*target.tvm.get("mattr", []), used.attribute]}
        target = replace(target, tvm=tvm, features=(*target.features, used.feature))
    return replace(target, precision=precision)


def choose(machine: Host | None = None) -> Choice:
    """The richest preset that a machine's processor can run; this machine's if none is given."""
    machine = machine or host.detect()
    if machine.architecture == "aarch64":
        return _choose_arm(machine)
    if machine.architecture != "x86-64":
        raise CompilerError(
            f"This machine's processor ({machine.architecture}) is not supported: it must be x86-64 or 64-bit ARM."
        )
    for name in ("x86-64-v4", "x86-64-v3"):
        needed = _content(name)["features"]
        if set(needed) <= machine.features:
            return Choice(name, f"the processor has {', '.join(needed)}")
    return Choice("x86-64-v2", "the processor has no AVX2")


def _choose_arm(machine: Host) -> Choice:
    if machine.system == "Darwin":
        return Choice("apple-silicon", "an Apple processor")
    part = machine.groups[0].part if machine.groups else ""
    for name in available():
        content = _content(name)
        if part and part in content.get("parts", []) and set(content.get("features", [])) <= machine.features:
            return Choice(name, f"the fastest cores are of part {part}")
    if not part or part == "/":
        return Choice("generic-aarch64", "the system does not tell which ARM core it is")
    return Choice("generic-aarch64", f"no preset knows the cores' part {part}")


def host_preset() -> str:
    """The preset that fits this machine."""
    return choose().name


def default_threads() -> int:
    """Workers that are fastest on this machine."""
    return host.detect().threads()


@cache
def _content(name: str) -> dict[str, Any]:
    """Of a preset."""
    content: dict[str, Any] = from_yaml((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return content


def _read(text: str, threads: int | None) -> Target:
    if text.lstrip().startswith("{"):
        return _from_dictionary(text, threads)
    if Path(text).suffix in SUFFIXES:
        return _from_file(Path(text), threads)
    if text not in {path.stem for path in FOLDER.glob("*.yaml")}:
        raise CompilerError(
            f"Unknown target “{text}”. Choose one of {', '.join(available())}, a YAML file like theirs, or TVM's target "
            'dictionary as JSON, such as {"kind": "llvm", "mcpu": "znver4"}.'
        )
    # A machine's own preset uses what this very machine has.
    return _target(text, _content(text), threads or (default_threads() if text == choose().name else None))


def _from_file(path: Path, threads: int | None) -> Target:
    try:
        content = from_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CompilerError(f"The target “{path}” cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise CompilerError(f"The target “{path}” has no keys. Take one of {FOLDER} as an example.")
    return _target(path.stem, content, threads)


def _from_dictionary(text: str, threads: int | None) -> Target:
    try:
        tvm = from_json(text)
    except ValueError as error:
        raise CompilerError(f"The target {text} is no JSON dictionary: {error}.") from error
    if not isinstance(tvm.get("kind"), str):
        raise CompilerError(f"The target {text} lacks a “kind”, such as llvm.")
    if tvm["kind"] != "llvm":
        raise CompilerError(
            f"The target {text} is of kind “{tvm['kind']}”. As JSON only llvm is taken; write a YAML file."
        )
    from engine.compiler.vectors import vectors_of

    found = vectors_of(tvm)
    content = {"tvm": tvm, "lanes": found.lanes, "registers": found.registers, "features": list(found.features)}
    if "num-cores" in tvm:
        content["cores"] = tvm["num-cores"]
    return _target(str(tvm.get("mcpu", "custom")), content, threads)


def _target(name: str, content: dict[str, Any], threads: int | None) -> Target:
    """Checks what a user may have written by hand."""
    _check(name, content)
    return Target(
        name,
        content["tvm"],
        content["lanes"],
        content["registers"],
        threads or content.get("cores") or default_threads(),
        str(content.get("description", "")),
        tuple(content.get("cache_kib", ())),
        content.get("clock_ghz"),
        content.get("fma_per_cycle"),
        tuple(content.get("features", ())),
        content.get("half_lanes"),
        content.get("dot_product"),
    )


def _check(name: str, content: dict[str, Any]) -> None:
    def fault(reason: str) -> CompilerError:
        return CompilerError(f"The target “{name}” {reason}.")

    tvm = content.get("tvm", {})
    if isinstance(tvm, dict) and tvm.get("kind", "llvm") != "llvm":
        raise fault(f"is of kind “{tvm['kind']}”, and networks are compiled for processors here: kind llvm")
    unknown, missing = set(content) - KEYS, KEYS - OPTIONAL - set(content)
    if unknown or missing:
        raise fault(
            f"has the unknown key “{min(unknown)}”; known are {', '.join(sorted(KEYS))}"
            if unknown
            else f"lacks the key “{min(missing)}”"
        )
    if not isinstance(tvm, dict) or "kind" not in tvm:
        raise fault("needs “tvm” to be TVM's dictionary with a “kind”, such as {kind: llvm, mcpu: cortex-a76}")
    for key, (least, most) in LIMITS.items():
        value = content.get(key)
        if key in content and (not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most):
            raise fault(f"needs “{key}” to be a whole number from {least} to {most}, not {value!r}")
    caches = content.get("cache_kib", [])
    if not isinstance(caches, list) or not all(isinstance(size, int) and size > 0 for size in caches):
        raise fault(f"needs “cache_kib” to be a list of sizes in KiB, not {caches!r}")
    clock = content.get("clock_ghz", 1.0)
    if not isinstance(clock, int | float) or not 0.01 < clock < 100:
        raise fault(f"needs “clock_ghz” to be a number, not {clock!r}")
    if content.get("dot_product", "vnni") not in DOT_PRODUCTS:
        raise fault(f"needs “dot_product” to be {' or '.join(DOT_PRODUCTS)}, not {content['dot_product']!r}")
    for key in ("features", "parts"):
        if not isinstance(content.get(key, []), list):
            raise fault(f"needs “{key}” to be a list of names")
