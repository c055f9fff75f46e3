"""``ketasim app``: the explorer, a page on this computer."""

from __future__ import annotations

import contextlib
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.values import whole_number
from ketasim.errors import KetasimError

if TYPE_CHECKING:
    from ketasim.app.settings import AppSettings

__all__ = ["app"]

_NEEDED = ("fastapi", "uvicorn")
_PORT = ("a port", 0, 65535)
_CLOSING_S = 3


def app(
    port: Annotated[
        str, typer.Option(metavar="N", help="Port that it listens on; 0 lets the system choose.")
    ] = "8765",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address that it listens on; others can reach 0.0.0.0.")
    ] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the browser.")] = False,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="What outlives the program; default: a folder of this user."),
    ] = None,
) -> None:
    """Open the explorer: a page on which a dose becomes a mood, and a harm.

    Ctrl-C stops it. The address that is printed holds a token, so that no other page can use it.
    """
    number = whole_number("--port", port, *_PORT)
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise KetasimError(
            f"app: the explorer needs {' and '.join(missing)}; install the extra with: "
            "pip install 'ketasim[app]'"
        )
    with contextlib.closing(_listen(host, number)) as listener:
        from ketasim.app.settings import AppSettings, default_state, keep_token, open_state

        folder = open_state(default_state() if state is None else state)
        own = int(listener.getsockname()[1])
        settings = AppSettings(host=host, port=own, token=keep_token(folder), state=folder)
        _serve(settings, listener, browser=not no_browser)


def _listen(host: str, port: int) -> socket.socket:
    """Take a port, before anything that takes time.

    Raises
    ------
    KetasimError
        If it is taken, or the address is none of this computer.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise KetasimError(
            f"--host {host}: this is no address of this computer; use 127.0.0.1, or 0.0.0.0 for all."
        ) from error
    try:
        if sys.platform != "win32":
            # A port whose last connections still close is free; on Windows this would steal a taken one.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise KetasimError(
            f"--port {port}: it cannot be used on {host} ({error.strerror}). Another explorer may run there; "
            "give another --port, or --port 0 for any that is free."
        ) from error
    return listener


def _serve(settings: AppSettings, listener: socket.socket, *, browser: bool) -> None:
    """Serve until Ctrl-C."""
    # The listener is there already: a browser that is quick waits for its first answer.
    print(f"Ketasim explorer: {settings.address}", flush=True)
    print("Ctrl-C stops it. For research and teaching, not for treating a person.", flush=True)
    if not settings.is_loopback:
        print(
            "Other computers can reach it: whoever has the address with its token can use this one.",
            file=sys.stderr,
            flush=True,
        )
    if browser:
        _open_browser(settings.address)
    import uvicorn

    from ketasim.app.opening import Opening

    # The token is in the printed address only: a log of requests would hold it too.
    config = uvicorn.Config(
        Opening(settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_CLOSING_S,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    # uvicorn hands Ctrl-C on when it has closed everything; that is how the program is meant to end.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    print("The explorer has stopped.", flush=True)


def _open_browser(address: str) -> None:
    """Open the page in the browser of this user."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
