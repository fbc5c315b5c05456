"""Lets activations that are never needed at the same time share one buffer."""

from dataclasses import replace

from engine.compiler.gpu.program import Buffer, Role, Step


def share(buffers: list[Buffer], steps: list[Step]) -> tuple[tuple[Buffer, ...], tuple[Step, ...]]:
    """The same steps with fewer WORK buffers. Every work buffer is written by one step before others read it.

    A buffer is free from the step after its last use on; of the free ones, the one that has to grow least is taken.
    """
    first, last = _lifetimes(buffers, steps)
    kept = [buffer for buffer in buffers if buffer.role is not Role.WORK]
    numbers = {old: new for new, old in enumerate(n for n, b in enumerate(buffers) if b.role is not Role.WORK)}
    sizes: list[int] = []  # of the shared buffers
    free: list[int] = []
    for moment, step in enumerate(steps):
        for old in step.buffers:
            if first.get(old) == moment and old not in numbers:
                wanted = buffers[old].size
                slot = min(free, key=lambda slot: (max(0, wanted - sizes[slot]), sizes[slot]), default=None)
                if slot is None:
                    slot = len(sizes)
                    sizes.append(wanted)
                else:
                    free.remove(slot)
                    sizes[slot] = max(sizes[slot], wanted)
                numbers[old] = len(kept) + slot
        free += [numbers[old] - len(kept) for old in set(step.buffers) if last.get(old) == moment]
    shared = [Buffer(Role.WORK, size) for size in sizes]
    moved = tuple(replace(step, buffers=tuple(numbers[old] for old in step.buffers)) for step in steps)
    return (*kept, *shared), moved


def _lifetimes(buffers: list[Buffer], steps: list[Step]) -> tuple[dict[int, int], dict[int, int]]:
    """First and last step of every work buffer."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for moment, step in enumerate(steps):
        for number in step.buffers:
            if buffers[number].role is Role.WORK:
                first.setdefault(number, moment)
                last[number] = moment
    return first, last
