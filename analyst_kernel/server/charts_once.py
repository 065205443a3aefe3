"""Leaves out of an event what every browser has already. Pure."""

from __future__ import annotations

from analyst_kernel.protocol.events import Event, RunFinished


def charts_once(event: Event) -> Event:
    """Return the event as journal and browsers get it.

    The charts of a run's end keep only what names them: their pictures stand in the outputs of
    their cells, their data was told when they were captured.
    """
    if not isinstance(event, RunFinished) or not event.charts:
        return event
    named = (chart.model_copy(update={"png": None, "data": None}) for chart in event.charts)
    return event.model_copy(update={"charts": tuple(named)})
