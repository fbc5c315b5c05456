"""How long a frame takes with each size on this machine, remembered for the list of sizes."""

from app.preference_store import PreferenceStore
from engine.statistics import Statistics

ENOUGH = 5  # values behind a median that is worth remembering
NOTABLE = 0.1  # share by which a new median must differ from the remembered one
NOT_WORK = "wait"  # the stage in which a frame only waits for the network to be free


class Timings:
    """Notes medians; small changes are left out, so that the file is not written all the time."""

    def __init__(self, store: PreferenceStore) -> None:
        self._store = store

    def measured(self, size: str, statistics: Statistics) -> None:
        stages = {name: times for name, times in statistics.stages.items() if name != NOT_WORK}
        if not stages or min(times.count for times in stages.values()) < ENOUGH:
            return
        ms = round(sum(times.p50 for times in stages.values()), 1)
        known = self._store.current.measured_ms
        if abs(ms - known.get(size, 0.0)) > NOTABLE * ms:
            self._store.change(measured_ms={**known, size: ms})
