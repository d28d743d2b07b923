"""Whatever is seen, in whatever order: no double action, no endless loop, nothing done in doubt."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hdinfra.model.healing.memory import Decision, Look, Memory, Nothing, Policy, Withdraw, ended
from hdinfra.model.healing.step import HOUR_SECONDS, step
from tests.model.healing_looks import seen_by

CLUSTERS = ("a", "b", "c", "d", "e")
WITNESSES = ("east-edge", "west-edge", "a-control-1", "b-control-1")
POLICY = Policy(settle_seconds=5, max_flaps=3, flap_window_seconds=100)

views = st.dictionaries(
    st.sampled_from(WITNESSES), st.dictionaries(st.sampled_from(CLUSTERS), st.booleans()), max_size=4
)


class Healing(RuleBasedStateMachine):
    """The watcher's memory beside an account of its own of what it was shown and what it did."""

    def __init__(self) -> None:
        super().__init__()
        self.memory, self.now = Memory(), 0.0
        self.out: set[str] = set()
        self.running: str | None = None
        self.begun: list[float] = []
        self.flips: dict[str, list[float]] = {name: [] for name in CLUSTERS}
        self.last: Decision = Nothing("")
        self.seen = Look((), CLUSTERS)

    @rule(shown=views, seconds=st.sampled_from([0.0, 1.0, 2.0, 30.0, 4_000.0]), again=st.integers(1, 4))
    def look(self, shown: dict[str, dict[str, bool]], seconds: float, again: int) -> None:
        for _ in range(again):
            self._look(shown, seconds)

    @rule(lost=st.sampled_from(CLUSTERS), again=st.integers(2, 8))
    def lose(self, lost: str, again: int) -> None:
        """What most walks at random never come to: a clean loss."""
        for _ in range(again):
            self._look({witness: {name: name != lost for name in CLUSTERS} for witness in WITNESSES}, 2.0)

    def _look(self, shown: dict[str, dict[str, bool]], seconds: float) -> None:
        self.now += seconds
        staying = tuple(name for name in CLUSTERS if name not in self.out)
        self.seen = Look(seen_by(shown), staying, tuple(sorted(self.out)))
        before = {name: record.is_lost for name, record in self.memory.records.items()}
        self.memory, self.last = step(POLICY, self.memory, self.seen, self.now)
        for name, record in self.memory.records.items():
            if record.is_lost is not before.get(name, False):
                self.flips[name].append(self.now)
        if isinstance(self.last, Withdraw):
            assert self.running is None, "one heal at a time"
            self._judge(self.last)
            self.running = self.last.cluster
            self.begun.append(self.now)

    def _judge(self, deed: Withdraw) -> None:
        votes = [one for one in self.seen.sightings if one.cluster == deed.cluster and one.stands != deed.cluster]
        assert len({one.witness for one in votes if not one.up}) >= 2
        lasted = self.now - (self.memory.records[deed.cluster].since or 0)
        assert lasted >= POLICY.settle_seconds
        assert not [one for one in votes if one.up and one.age < lasted], "nobody heard it since"
        assert deed.cluster not in self.out
        dark = [name for name in self.seen.clusters if self.memory.records[name].is_lost]
        assert 2 * len(dark) < len(self.seen.clusters)

    @precondition(lambda self: self.running is not None)
    @rule(well=st.booleans())
    def end(self, well: bool) -> None:
        """The heal that ran is over; when it went well, the Cluster is withdrawn."""
        if well and self.running:
            self.out.add(self.running)
        self.memory, self.running = ended(self.memory), None

    @precondition(lambda self: self.out)
    @rule()
    def restore(self) -> None:
        self.out.pop()

    @invariant()
    def an_hour_has_no_more_heals_than_allowed(self) -> None:
        assert sum(self.now - at < HOUR_SECONDS for at in self.begun) <= POLICY.changes_per_hour

    @invariant()
    def a_window_has_no_more_switches_than_allowed(self) -> None:
        for flips in self.flips.values():
            assert sum(self.now - at < POLICY.flap_window_seconds for at in flips) <= POLICY.max_flaps


Healing.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestHealing = Healing.TestCase
