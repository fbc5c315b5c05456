"""The state machine of a live session: every edge that exists, every edge that must not."""

import itertools

import pytest

from engine.live.states import TRANSITIONS, SessionState, StateMachine

S = SessionState
# How to get to each state from the start.
ROUTES = {
    S.IDLE: [],
    S.STARTING: [S.STARTING],
    S.RUNNING: [S.STARTING, S.RUNNING],
    S.STOPPING: [S.STARTING, S.STOPPING],
    S.FAILED: [S.STARTING, S.FAILED],
}


def machine_in(state: SessionState) -> tuple[StateMachine, list[tuple[SessionState, SessionState]]]:
    changes: list[tuple[SessionState, SessionState]] = []
    machine = StateMachine(lambda old, new: changes.append((old, new)))
    for step in ROUTES.get(state, [S.STARTING, S.RUNNING]):
        machine.go(step)
    if state in StateMachine.ORDER:
        machine.begin(state)
    assert machine.state is state
    changes.clear()
    return machine, changes


def reach(machine: StateMachine, new: SessionState) -> None:
    """Leaves every condition but the one that leads to `new`."""
    if new in StateMachine.ORDER or new is S.RUNNING:
        for condition in StateMachine.ORDER:
            if condition is not new and machine.state is not S.STARTING:
                while machine.holds(condition):
                    # A condition of higher rank hides the new one, so that is raised first.
                    if new is not S.RUNNING:
                        machine.set_condition(new, True)
                    machine.end(condition)
        if new is not S.RUNNING:
            machine.set_condition(new, True)
        machine.go(S.RUNNING)
    else:
        machine.go(new)


# Sorted, so that every process of a run that is shared among several has the same order.
EDGES = [(old, new) for old, following in TRANSITIONS.items() for new in sorted(following)]
NO_EDGES = [pair for pair in itertools.permutations(S, 2) if pair not in EDGES]


@pytest.mark.parametrize(("old", "new"), EDGES)
def test_every_edge_can_be_walked_and_is_told_once(old, new):
    machine, changes = machine_in(old)
    reach(machine, new)
    assert machine.state is new
    assert changes == [(old, new)]


@pytest.mark.parametrize(("old", "new"), NO_EDGES)
def test_what_is_no_edge_cannot_be_walked(old, new):
    machine, changes = machine_in(old)
    with pytest.raises(RuntimeError, match=f"from {old} to {new}"):
        machine.go(new)
    assert not machine.try_go(new)
    assert machine.state is old
    assert changes == []


def test_each_state_can_be_left_for_idle():
    for state in S:
        machine, _ = machine_in(state)
        if state is not S.IDLE:
            machine.go(S.STOPPING)
            machine.go(S.IDLE)
        assert machine.state is S.IDLE


def test_the_most_telling_condition_is_shown_and_the_others_are_not_forgotten():
    machine, _ = machine_in(S.RUNNING)
    machine.set_condition(S.PAUSED, True)
    machine.begin(S.SWITCHING)
    machine.begin(S.SWITCHING)
    assert machine.state is S.SWITCHING
    machine.end(S.SWITCHING)
    assert machine.state is S.SWITCHING, "two switches are under way and one is done"
    machine.end(S.SWITCHING)
    assert machine.state is S.PAUSED
    machine.set_condition(S.PAUSED, False)
    assert machine.state is S.RUNNING


def test_conditions_wait_for_the_first_result_and_end_with_the_run():
    machine, _ = machine_in(S.STARTING)
    machine.set_condition(S.PAUSED, True)
    assert machine.state is S.STARTING
    machine.go(S.RUNNING)
    assert machine.state is S.PAUSED
    machine.go(S.STOPPING)
    machine.go(S.IDLE)
    machine.go(S.STARTING)
    machine.go(S.RUNNING)
    assert machine.state is S.RUNNING


def test_conditions_of_an_ended_run_change_nothing():
    machine, changes = machine_in(S.FAILED)
    machine.begin(S.SWITCHING)
    machine.set_condition(S.RECONNECTING, True)
    assert machine.state is S.FAILED
    assert changes == []


def test_a_listener_may_change_the_state_again():
    machine = StateMachine(lambda old, new: machine.go(S.STOPPING) if new is S.FAILED else None)
    machine.go(S.STARTING)
    machine.go(S.FAILED)
    assert machine.state is S.STOPPING
