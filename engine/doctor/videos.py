"""Whether videos can be recorded, and with which encoder."""

import av

from engine.doctor.findings import Finding, State
from engine.errors import SinkError
from engine.sinks.encoders import ENCODERS, working_encoder


def examine() -> list[Finding]:
    versions = ", ".join(
        f"{name} {'.'.join(map(str, version))}" for name, version in sorted(av.library_versions.items()) if version
    )
    libraries = Finding("FFmpeg", versions)
    try:
        encoder = working_encoder()
    except SinkError as error:
        return [libraries, Finding("encoder", str(error), State.NOTE, "pip install --force-reinstall av")]
    others = [other.name for other in ENCODERS if other.name in av.codecs_available and other != encoder]
    text = f"{encoder.name}" + (f"; also there: {', '.join(others)}" if others else "")
    if encoder.name == "mpeg4":
        return [libraries, Finding("encoder", f"{text}; files are larger than with H.264", State.NOTE)]
    return [libraries, Finding("encoder", text)]
