"""``steelflow retrain``: start a retraining by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from steelflow.cli.output import Json, emit, settings, stderr, user
from steelflow.retrain import Trigger
from steelflow.retrain import retrain as run_retrain
from steelflow.store.embedded import serving


def retrain(
    reason: Annotated[str, typer.Option("--reason", help="Why, for the log.")] = "by hand",
    who: Annotated[str | None, typer.Option("--who", help="Who asks; by default your login name.")] = None,
    trigger: Annotated[
        Trigger, typer.Option("--trigger", help="The trigger; `manual` ignores the cooldown.")
    ] = "manual",
    force: Annotated[
        bool, typer.Option("--force", help="Retrain even without enough new labels or within the cooldown.")
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without", help="Leave this class out, though the champion or recent nights show it; repeatable."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train on the current labels, and promote the model if it is better than the champion.

    An interrupted retraining resumes when the command is run again.
    """
    current = settings()
    uris = (current.registry_uri, current.labels_uri, current.report.uri, current.archive.uri)
    with serving(current, *uris) as reached, stderr.status("retraining") as status:
        result = run_retrain(
            reached,
            trigger=trigger,
            reason=reason,
            who=user(who),
            force=force,
            without=without or (),
            tell=lambda text: status.update(text),
        )
    emit(result.to_dict(), as_json, f"{result.state} after {result.seconds:.0f} s: {result.text}")
