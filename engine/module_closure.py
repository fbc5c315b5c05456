"""Which of the program's own modules a module needs, read from the source without importing anything."""

import ast
from dataclasses import dataclass
from pathlib import Path

OWN = ("app", "engine", "models")


@dataclass(frozen=True, slots=True)
class Closure:
    """own: the file of each module of ours that is needed, by its dotted name. Packages of which only modules inside are
    needed are not among them. foreign: top-level names of everything else that is imported, the standard library too."""

    own: dict[str, Path]
    foreign: frozenset[str]


def closure(root: Path, module: str) -> Closure:
    """Of `module` and all that it imports, anywhere in its source, directly or not. root: the folder of our packages."""
    own: dict[str, Path] = {}
    foreign: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in own:
            continue
        path = _file(root, name)
        if path is None:
            raise ValueError(f"there is no module {name} below {root}")
        own[name] = path
        for found in _imports(root, path):
            if found.partition(".")[0] in OWN:
                waiting.append(found)
            else:
                foreign.add(found.partition(".")[0])
    return Closure(own, frozenset(foreign))


def _imports(root: Path, path: Path) -> set[str]:
    """Dotted names of the modules that a file imports; of `from package import module` the module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inside if node.module.partition(".")[0] in OWN and _file(root, name)}
            found |= modules
            if len(modules) < len(inside):
                found.add(node.module)
    return found


def _file(root: Path, module: str) -> Path | None:
    place = root.joinpath(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None
