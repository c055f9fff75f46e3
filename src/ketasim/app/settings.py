"""Where the explorer listens, what it keeps between starts, and the token that opens it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import socket
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ketasim.errors import KetasimError

__all__ = ["AppSettings", "default_state", "keep_token", "open_state"]

_TOKEN_BYTES = 24
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}")
_TOKEN_FILE = "token"
#: Bits by which others could read or write.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def new_token() -> str:
    """Make a token that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def default_state() -> Path:
    """Folder of this user for what outlives the program: the token, and long work."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return base / "ketasim"


@dataclass(frozen=True)
class AppSettings:
    """What a server is started with.

    Parameters
    ----------
    host : str, default "127.0.0.1"
        Address that it listens on.
    port : int, default 8765
        Port that it listens on, and that browsers name.
    token : str
        What the opened address carries once; default: a new one.
    state : Path
        Folder for what outlives the program.
    warm : bool, default True
        Whether the model is compiled in the background when the server starts.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str = field(default_factory=new_token, repr=False)
    state: Path = field(default_factory=default_state)
    warm: bool = True

    @property
    def cookie(self) -> str:
        """Name of the cookie; browsers share cookies between ports, so it names the port."""
        return f"ketasim_{self.port}"

    @property
    def address(self) -> str:
        """The address to open, with the token."""
        return f"http://{self.shown_host}:{self.port}/?token={self.token}"

    @property
    def shown_host(self) -> str:
        """The host as a browser names it."""
        if self.host in ("0.0.0.0", "::", ""):
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def allows_host(self, header: str) -> bool:
        """Whether a request names this server, and not a page's own name that was made to point here.

        Parameters
        ----------
        header : str
            Host, with or without a port, as in the header ``Host`` or an origin.
        """
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@?#\s]+)(?::(\d{1,5}))?", header)
        if match is None or int(match[2] or 80) != self.port:
            return False
        name = match[1].lower()
        if name in (*_LOOPBACK, self.shown_host.lower()):
            return True
        if self.is_loopback:
            return False
        # A name can be made to point here by whoever owns it; a number, or this computer's own name, cannot.
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(name.strip("[]"))
            return True
        return name in (socket.gethostname().lower(), self.host.lower())


def open_state(folder: Path) -> Path:
    """Make the state folder, for this user alone, and return it.

    Raises
    ------
    KetasimError
        If it cannot be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KetasimError(
            f"--state {folder}: the folder cannot be made: {error.strerror}. Name another one."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise KetasimError(f"--state {folder}: nothing may be written there; name another folder.")
    return folder


def keep_token(folder: Path) -> str:
    """Return the token of this user, made at the first start, so that an open page outlives a restart.

    A file that others could read or write, or that is no token, is not believed: a new token then
    replaces it.

    Parameters
    ----------
    folder : Path
        The state folder.

    Returns
    -------
    str
        The token.
    """
    path = folder / _TOKEN_FILE
    known = _read_token(path)
    if known is not None:
        return known
    token = new_token()
    # Without a file the token holds for this start alone.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(token)
    return token


def _read_token(path: Path) -> str | None:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, encoding="ascii") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                return None
            # Windows has neither owners nor these bits: the folder is the user's own there.
            if hasattr(os, "getuid") and (about.st_uid != os.getuid() or about.st_mode & _OTHERS):
                return None
            text = file.read(200)
    except (OSError, UnicodeDecodeError):
        return None
    return text if _TOKEN.fullmatch(text) else None
