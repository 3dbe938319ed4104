"""`advance(view) -> Step`: the one entry of the pure core. Level-triggered; no I/O, no clock.

Each call looks at the whole view and says the next thing, whoever asked before: a restart of the
controller is nothing special here.
"""

from __future__ import annotations

from podferry.api.migration import Decision
from podferry.api.reasons import Phase, Reason
from podferry.controller.core import accept, finish, rollback, undecided
from podferry.controller.core.actions import RemoveFinalizer
from podferry.controller.core.status import TERMINAL_VALUES, Draft
from podferry.controller.core.view import Step, View


def advance(view: View) -> Step:
    """What this Migration needs now."""
    migration, status = view.migration, view.migration.status
    if status.phase in TERMINAL_VALUES:
        return rollback.clean_later(view) or Step(status, (RemoveFinalizer(),))
    if not accept.is_accepted(migration):
        if migration.spec.cancel or migration.deletion_requested:
            draft = Draft(migration, view.now)
            draft.end(Phase.CANCELLED, Reason.CANCELLED, "cancelled before anything was touched")
            return Step(draft.value, (), 0.0)
        return accept.accept(view)
    if status.decision is Decision.COMMITTED:
        return finish.advance(view)
    if status.decision in (Decision.ROLLED_BACK, Decision.REVERTED):
        return rollback.advance(view)
    return undecided.advance(view)
