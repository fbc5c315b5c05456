"""The processor, its cores, and what the program makes of them."""

from engine.compiler import host, targets
from engine.compiler.host import CoreGroup
from engine.doctor.findings import Finding, State
from engine.errors import CompilerError

# What a reader may look for; the rest of NumPy's list says nothing about this program.
TELLING = (
    *("SSE42", "AVX2", "FMA3", "AVXVNNI", "AVX512F", "AVX512_SKX", "AVX512VNNI"),
    *("NEON", "ASIMD", "ASIMDHP", "ASIMDDP", "SVE"),
)


def examine() -> list[Finding]:
    here = host.detect()
    features = [name for name in TELLING if name in here.features]
    findings = [
        Finding("processor", ", ".join(filter(None, (here.model, here.architecture)))),
        Finding("features", ", ".join(features) or "none that matter"),
        Finding("cores", "; ".join(_group(group) for group in here.groups)),
    ]
    if here.quota is not None:
        findings.append(Finding("limit", f"this container may use {here.quota:g} processors"))
    findings.append(Finding("threads", f"{here.threads()}, {_why(here)}"))
    try:
        choice = targets.choose()
    except CompilerError as error:
        return [*findings, Finding("target", str(error), State.FAULT)]
    findings.append(Finding("target", f"{choice.name}: {choice.reason}"))
    if choice.name == "generic-aarch64":
        findings.append(
            Finding(
                "target",
                "code for every ARM core, not tuned for this one",
                State.NOTE,
                "main.py compile --list shows the presets; main.py compile --target takes a file of your own",
            )
        )
    return findings


def _group(group: CoreGroup) -> str:
    told = [f"{group.mhz / 1000:.2f} GHz" if group.mhz else "", group.part and f"part {group.part}"]
    told.append("" if group.capacity == host.FULL_SPEED else f"{group.capacity / host.FULL_SPEED:.0%} speed")
    details = ", ".join(filter(None, told))
    return f"{group.count} ({details})" if details else str(group.count)


def _why(here: host.Host) -> str:
    threads = here.threads()
    if here.quota is not None and threads < here.cores and threads <= round(here.quota):
        return "as many as the container may use"
    if threads == here.cores:
        return "one for each core"
    if threads == host.MOST_THREADS:
        return "more would wait for each other"
    return "the others are slower, and would be waited for"
