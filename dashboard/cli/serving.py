"""`digpt demo`, `serve`, `doctor`, `stop`, `supervise`, `reindex`: the processes of the product."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from dashboard.cli.common import FAILED, Home, Json, command, emit, open_service, say, table

Host = Annotated[str, typer.Option(help="Other than 127.0.0.1: a sign-in token is needed.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Open = Annotated[bool, typer.Option("--open", help="Open the browser.")]


@command
def serve(
    host: Host = "127.0.0.1", port: Port = 7860, open_browser: Open = False, home: Home = None
) -> None:
    """Serve the dashboard and start the supervisor."""
    _serve(host, port, open_browser, home, tour=False)


@command
def demo(
    host: Host = "127.0.0.1", port: Port = 7860, open_browser: Open = False, home: Home = None
) -> None:
    """Serve the dashboard with the tour pilot on built-in data already running."""
    _serve(host, port, open_browser, home, tour=True)


@command
def doctor(home: Home = None, as_json: Json = False) -> None:
    """Check this machine: home, disk, database, Ray, device, fonts."""
    checks = open_service(home).doctor()
    if as_json:
        emit({"checks": checks})
    else:
        table(("check", "state", "what to do"), [(c.name, c.state, c.advice) for c in checks])
    if any(c.state == "failed" for c in checks):
        raise typer.Exit(FAILED)


@command
def stop(home: Home = None, as_json: Json = False) -> None:
    """Stop the supervisor and the Ray node of this home. Finished work is kept."""
    stopped = open_service(home).stop()
    emit({"stopped": stopped}) if as_json else say(f"Stopped: {', '.join(stopped) or 'nothing'}.")


@command
def supervise(home: Home = None) -> None:
    """Run the supervisor in the foreground (serve starts one by itself)."""
    open_service(home).supervise()


@command
def reindex(home: Home = None, as_json: Json = False) -> None:
    """Rebuild the store's view of finished stages from their artifacts."""
    count = open_service(home).reindex()
    emit({"stages": count}) if as_json else say(f"{count} finished stages found.")


def _serve(host: str, port: int, open_browser: bool, home: Path | None, *, tour: bool) -> None:
    from dashboard.server import check_port  # noqa: PLC0415 - Gradio takes seconds
    from dashboard.server import serve as run_server  # noqa: PLC0415

    check_port(host, port)  # before a pilot is submitted
    service = open_service(home)

    def ready(url: str) -> None:
        say(f"D-iGPT Pilot is at {url}")
        if open_browser:
            webbrowser.open(url)

    if tour:
        pilot = service.submit_tour()
        say(f"The tour pilot is {pilot}; its results appear on the Compare page as arms finish.")
    else:
        service.start()
    run_server(service.settings, host=host, port=port, service=service, on_ready=ready)
    say("Stages that are running go on. Stop them with: digpt stop")
