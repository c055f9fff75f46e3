"""The cache of compiled kernels: believed only where an entry is whole and its own."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim.engine.cache import KernelCache, default_cache

KEY = KernelCache.make_key("model", "processor")
CODE = bytes(range(256)) * 4
#: Bytes before the payload: magic, version, key, length, two digests.
HEADER = 16 + 4 + 64 + 8 + 32 + 32

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)


def made(cache: KernelCache, code: bytes = CODE, key: str = KEY) -> tuple[bytes, int]:
    """What the cache gives, and how often it had to be made."""
    count = 0

    def make() -> bytes:
        nonlocal count
        count += 1
        return code

    return cache.get_or_make(key, make), count


def entry(folder: Path, key: str = KEY) -> Path:
    return folder / f"{key}.kernel"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache with one entry."""
    found = tmp_path / "cache"
    made(KernelCache(found))
    return found


def test_made_once(tmp_path: Path) -> None:
    cache = KernelCache(tmp_path / "deep" / "cache")
    assert made(cache) == (CODE, 1)
    assert made(cache, b"other") == (CODE, 0)
    assert made(KernelCache(tmp_path / "deep" / "cache"), b"other") == (CODE, 0)


def test_an_entry_is_written_as_documented(folder: Path) -> None:
    fields = b"KETASIM KERNEL\r\n" + (2).to_bytes(4, "little") + KEY.encode()
    fields += len(CODE).to_bytes(8, "little") + hashlib.sha256(CODE).digest()
    assert entry(folder).read_bytes() == fields + hashlib.sha256(fields).digest() + CODE


def test_without_a_folder_all_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = KernelCache(None)
    assert [made(cache), made(cache)] == [(CODE, 1), (CODE, 1)]
    assert list(tmp_path.iterdir()) == []


@given(st.binary(max_size=3000))
def test_what_is_kept_comes_back(code: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        cache = KernelCache(Path(name))
        assert made(cache, code) == (code, 1)
        assert made(cache, b"other") == (code, 0)


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise ArithmeticError("no code")

    with pytest.raises(ArithmeticError, match="no code"):
        KernelCache(tmp_path).get_or_make(KEY, fail)
    assert list(tmp_path.iterdir()) == []


def test_keys_tell_parts_apart() -> None:
    keys = {KernelCache.make_key(*parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""))}
    assert len(keys) == 4


@given(st.lists(st.binary(max_size=9), max_size=3), st.lists(st.binary(max_size=9), max_size=3))
def test_only_equal_parts_have_equal_keys(one: list[bytes], other: list[bytes]) -> None:
    assert (KernelCache.make_key(*one) == KernelCache.make_key(*other)) == (one == other)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_and_its_bytes_have_one_key(text: str) -> None:
    assert KernelCache.make_key(text) == KernelCache.make_key(text.encode())


@pytest.mark.parametrize("key", ["", "../up", KEY[:-1], KEY + "0", KEY.upper(), KEY[:-1] + "\n"])
def test_a_file_is_only_named_by_a_key(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match=r"is not a key; use KernelCache\.make_key"):
        made(KernelCache(tmp_path / "cache"), key=key)
    assert list(tmp_path.iterdir()) == []


def test_every_flip_of_a_byte_is_seen(folder: Path) -> None:
    path = entry(folder)
    whole = path.read_bytes()
    assert len(whole) == HEADER + len(CODE)
    for place in [*range(HEADER + 4), HEADER + len(CODE) // 2, len(whole) - 1]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert made(KernelCache(folder)) == (CODE, 1), place
        assert path.read_bytes() == whole, place


@given(place=st.integers(0, HEADER + len(CODE) - 1), bits=st.integers(1, 255))
def test_a_flip_of_any_bits_is_seen(place: int, bits: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        cache = KernelCache(Path(name))
        made(cache)
        damaged = bytearray(entry(Path(name)).read_bytes())
        damaged[place] ^= bits
        entry(Path(name)).write_bytes(damaged)
        assert made(cache) == (CODE, 1)


def test_an_entry_of_another_length_is_made_again(folder: Path) -> None:
    path = entry(folder)
    whole = path.read_bytes()
    cuts = (0, 1, 15, 20, 84, 92, HEADER - 1, HEADER, HEADER + 1, len(whole) - 1)
    for other in [*(whole[:cut] for cut in cuts), whole + b"x", whole * 2]:
        path.write_bytes(other)
        assert made(KernelCache(folder)) == (CODE, 1), len(other)
        assert path.read_bytes() == whole, len(other)


def test_an_entry_of_another_version_is_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is whole by its own digests; only the version differs."""
    with monkeypatch.context() as patch:
        patch.setattr("ketasim.engine.cache._VERSION", 1)
        assert made(KernelCache(folder), b"old") == (b"old", 1)
        assert made(KernelCache(folder), b"other") == (b"old", 0)
    with caplog.at_level(logging.DEBUG, logger="ketasim.engine"):
        assert made(KernelCache(folder)) == (CODE, 1)
    assert "damaged or foreign" in caplog.text
    assert made(KernelCache(folder), b"other") == (CODE, 0)


def test_an_entry_under_another_key_is_not_believed(tmp_path: Path) -> None:
    foreign = KernelCache.make_key("another")
    made(KernelCache(tmp_path), b"foreign", key=foreign)
    entry(tmp_path, foreign).rename(entry(tmp_path))
    assert made(KernelCache(tmp_path)) == (CODE, 1)
    assert made(KernelCache(tmp_path), b"other") == (CODE, 0)


def test_what_is_too_large_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.engine.cache._LARGEST_BYTES", HEADER + len(CODE))
    assert made(KernelCache(folder), b"other") == (CODE, 0)
    monkeypatch.setattr("ketasim.engine.cache._LARGEST_BYTES", HEADER + len(CODE) - 1)
    assert made(KernelCache(folder), b"other") == (b"other", 1)


@posix
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_an_entry_that_others_could_have_written_is_made_again(folder: Path, mode: int) -> None:
    entry(folder).chmod(0o600 | mode)
    assert made(KernelCache(folder), b"new") == (b"new", 1)
    assert made(KernelCache(folder)) == (b"new", 0)  # the new one has the right mode


@posix
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_a_folder_in_which_others_can_write_is_not_used(
    folder: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    whole = entry(folder).read_bytes()
    folder.chmod(0o700 | mode)
    with caplog.at_level(logging.DEBUG, logger="ketasim.engine"):
        assert made(KernelCache(folder), b"new") == (b"new", 1)
    assert "chmod 700" in caplog.text
    assert [path.read_bytes() for path in folder.iterdir()] == [whole]


@posix
def test_a_folder_of_someone_else_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = entry(folder).read_bytes()
    monkeypatch.setattr("ketasim.engine.cache.os.geteuid", lambda: folder.stat().st_uid + 1)
    assert made(KernelCache(folder), b"new") == (b"new", 1)
    assert [path.read_bytes() for path in folder.iterdir()] == [whole]


@root
def test_an_entry_of_someone_else_is_made_again(folder: Path) -> None:
    os.chown(entry(folder), 12345, -1)
    assert made(KernelCache(folder), b"new") == (b"new", 1)
    assert made(KernelCache(folder)) == (b"new", 0)


@posix
def test_the_folder_and_its_entries_are_the_users_alone(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert entry(folder).stat().st_mode & 0o077 == 0


@posix
def test_a_linked_entry_is_replaced(folder: Path, tmp_path: Path) -> None:
    elsewhere = entry(folder).rename(tmp_path / "elsewhere")
    whole = elsewhere.read_bytes()
    entry(folder).symlink_to(elsewhere)
    assert made(KernelCache(folder), b"new") == (b"new", 1)
    assert not entry(folder).is_symlink()
    assert elsewhere.read_bytes() == whole


@posix
def test_a_user_may_link_his_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert made(KernelCache(tmp_path / "link"), b"new") == (CODE, 0)


@root
def test_a_link_of_someone_else_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    os.chown(tmp_path / "link", 12345, -1, follow_symlinks=False)
    assert made(KernelCache(tmp_path / "link"), b"new") == (b"new", 1)
    assert made(KernelCache(folder), b"other") == (CODE, 0)


@posix
def test_a_pipe_in_place_of_an_entry_does_not_hang(folder: Path) -> None:
    entry(folder).unlink()
    os.mkfifo(entry(folder), 0o600)
    assert made(KernelCache(folder)) == (CODE, 1)
    assert made(KernelCache(folder), b"other") == (CODE, 0)


def test_a_folder_in_place_of_an_entry_costs_no_run(folder: Path) -> None:
    entry(folder).unlink()
    entry(folder).mkdir()
    assert made(KernelCache(folder)) == (CODE, 1)
    assert [path.name for path in folder.iterdir()] == [entry(folder).name]


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_file_in_place_of_the_folder_costs_no_run(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way")
    assert made(KernelCache(tmp_path / "file" / below)) == (CODE, 1)
    assert (tmp_path / "file").read_text() == "in the way"


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_rights_that_lack_cost_no_run(folder: Path) -> None:
    other = KernelCache.make_key("another")
    folder.chmod(0o500)
    try:
        assert made(KernelCache(folder), key=other) == (CODE, 1)
        assert made(KernelCache(folder), b"other") == (CODE, 0)  # what is there is still read
        entry(folder).chmod(0)
        assert made(KernelCache(folder)) == (CODE, 1)
        assert made(KernelCache(folder / "deeper")) == (CODE, 1)
    finally:
        folder.chmod(0o700)
    assert [path.name for path in folder.iterdir()] == [entry(folder).name]


@pytest.mark.parametrize("call", ["mkdir", "mkstemp", "write", "replace"])
def test_a_full_disk_costs_no_run(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    class FullFile:
        """Takes one piece and no more."""

        def __init__(self, handle: int, _: str) -> None:
            self.handle = handle

        def __enter__(self) -> FullFile:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self.handle)

        def write(self, piece: bytes) -> None:
            if os.fstat(self.handle).st_size:
                full()
            os.write(self.handle, piece)

    where: dict[str, tuple[str, Any]] = {
        "mkdir": ("Path.mkdir", full),
        "mkstemp": ("tempfile.mkstemp", full),
        "write": ("os.fdopen", FullFile),
        "replace": ("os.replace", full),
    }
    name, broken = where[call]
    with monkeypatch.context() as patch, caplog.at_level(logging.DEBUG, logger="ketasim.engine"):
        patch.setattr(f"ketasim.engine.cache.{name}", broken)
        assert made(KernelCache(tmp_path / "cache")) == (CODE, 1)
    assert "could not be kept" in caplog.text
    assert "No space left" in caplog.text
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@posix
def test_a_file_that_may_not_grow_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The real thing: the system itself refuses to write on."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        found = made(KernelCache(tmp_path), CODE * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert found == (CODE * 100, 1)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_writing_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ketasim.engine.cache.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made(KernelCache(tmp_path))
    assert list(tmp_path.iterdir()) == []


#: Asks for a few entries many times, takes some away, and prints which answers were wrong.
WRITER = """
import hashlib, sys
from pathlib import Path
from ketasim.engine.cache import KernelCache

folder, number = Path(sys.argv[1]), int(sys.argv[2])
sys.stdin.readline()  # both start at once
for turn in range(300):
    key = KernelCache.make_key(str(turn % 5))
    code = hashlib.sha256(key.encode()).digest() * 3000
    if KernelCache(folder).get_or_make(key, lambda: code) != code:
        print(turn)
    if turn % 3 == number:
        (folder / f"{key}.kernel").unlink(missing_ok=True)
"""


def test_two_processes_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(number)], text=True, **pipes)
        for number in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("\n")
            writer.stdin.flush()
        assert [writer.communicate(timeout=300) for writer in writers] == [("", ""), ("", "")]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert [writer.returncode for writer in writers] == [0, 0]
    names = {entry(folder, KernelCache.make_key(str(i))).name for i in range(5)}
    assert {path.name for path in folder.iterdir()} <= names  # nothing unfinished is left


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.engine.cache._LARGEST_COUNT", 3)
    cache = KernelCache(tmp_path)
    keys = [KernelCache.make_key(str(i)) for i in range(4)]
    for age, key in enumerate(keys[:3]):
        made(cache, key=key)
        os.utime(entry(tmp_path, key), (1000 + age, 1000 + age))
    made(cache, key=keys[0])  # used now
    made(cache, key=keys[3])
    assert {path.stem for path in tmp_path.iterdir()} == {keys[0], keys[2], keys[3]}


def test_the_bytes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.engine.cache._LARGEST_BYTES", 2 * (HEADER + len(CODE)))
    keys = [KernelCache.make_key(str(i)) for i in range(3)]
    for age, key in enumerate(keys):
        made(KernelCache(tmp_path), key=key)
        os.utime(entry(tmp_path, key), (1000 + age, 1000 + age))
    assert {path.stem for path in tmp_path.iterdir()} == set(keys[1:])


def test_the_newest_is_kept_beside_one_from_the_future(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ketasim.engine.cache._LARGEST_COUNT", 1)
    future = KernelCache.make_key("future")
    made(KernelCache(tmp_path), key=future)
    os.utime(entry(tmp_path, future), (time.time() + 1e6,) * 2)
    made(KernelCache(tmp_path))
    assert list(tmp_path.iterdir()) == [entry(tmp_path)]


def test_only_entries_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process left goes; what another is writing, and the user's own files, stay."""
    monkeypatch.setattr("ketasim.engine.cache._LARGEST_COUNT", 1)
    own = ["notes.kernel", "notes.txt", ".ketasim-writing.kernel", ".hidden.kernel"]
    for name in [*own, ".ketasim-killed.kernel"]:
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (1000, 1000))
    os.utime(tmp_path / ".ketasim-writing.kernel")
    made(KernelCache(tmp_path), key=KernelCache.make_key("another"))
    made(KernelCache(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {*own, entry(tmp_path).name}


def test_the_place_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for given_, folder in ((str(tmp_path / "x"), tmp_path / "x"), ("~/y", tmp_path / "y")):
        monkeypatch.setenv("KETASIM_CACHE_DIR", given_)
        assert default_cache().folder == folder
    for none in ("off", "OFF", ""):
        monkeypatch.setenv("KETASIM_CACHE_DIR", none)
        assert default_cache().folder is None


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {}, ".cache/ketasim"),
        ("linux", {"XDG_CACHE_HOME": "{home}/xdg"}, "xdg/ketasim"),
        ("linux", {"XDG_CACHE_HOME": ""}, ".cache/ketasim"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, ".cache/ketasim"),
        ("darwin", {"XDG_CACHE_HOME": "{home}/xdg"}, "Library/Caches/ketasim"),
        ("win32", {"LOCALAPPDATA": "{home}/local"}, "local/ketasim/Cache"),
        ("win32", {}, "AppData/Local/ketasim/Cache"),
    ],
)
def test_the_place_of_each_system(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    environment: dict[str, str],
    folder: str,
) -> None:
    monkeypatch.setattr("ketasim.engine.cache.sys.platform", platform)
    for name in ("KETASIM_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "{home}", "USERPROFILE": "{home}", **environment}.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    assert default_cache().folder == tmp_path / folder


def test_no_home_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("KETASIM_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("ketasim.engine.cache.Path.home", homeless)
    assert default_cache().folder is None
