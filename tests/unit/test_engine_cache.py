"""The cache of compiled kernels: believed only where an entry is whole and its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ketasim.engine.cache import KernelCache, default_cache

KEY = KernelCache.make_key("model", "processor")
CODE = bytes(range(256)) * 4


def made(cache: KernelCache, code: bytes = CODE, key: str = KEY) -> tuple[bytes, int]:
    """What the cache gives, and how often it had to be made."""
    count = 0

    def make() -> bytes:
        nonlocal count
        count += 1
        return code

    return cache.get_or_make(key, make), count


def entry(folder: Path) -> Path:
    (found,) = folder.glob("[!.]*")
    return found


def test_made_once(tmp_path: Path) -> None:
    cache = KernelCache(tmp_path / "deep" / "cache")
    assert made(cache) == (CODE, 1)
    assert made(cache, b"other") == (CODE, 0)
    assert made(KernelCache(None)) == (CODE, 1)


def test_keys_tell_parts_apart() -> None:
    keys = {KernelCache.make_key(*parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""))}
    assert len(keys) == 4


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    made(KernelCache(tmp_path))
    path = entry(tmp_path)
    whole = path.read_bytes()
    damages = [whole[:cut] for cut in (0, 1, 10, 80, 120, len(whole) - 1)] + [whole + b"x"]
    damages += [
        whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in [*range(0, 130), 400, len(whole) - 1]
    ]
    for damage in damages:
        path.write_bytes(damage)
        assert made(KernelCache(tmp_path)) == (CODE, 1)
        assert path.read_bytes() == whole


def test_an_entry_under_another_key_is_not_believed(tmp_path: Path) -> None:
    made(KernelCache(tmp_path), b"foreign", key=KernelCache.make_key("another"))
    entry(tmp_path).rename(tmp_path / f"{KEY}.kernel")
    assert made(KernelCache(tmp_path)) == (CODE, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_code_that_others_could_have_written_is_not_believed(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "cache"
    made(KernelCache(folder))
    (folder if what == "folder" else entry(folder)).chmod(0o777)
    assert made(KernelCache(folder)) == (CODE, 1)


def test_a_link_is_not_believed(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    made(KernelCache(folder))
    path = entry(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert made(KernelCache(folder)) == (CODE, 1)


def test_a_disk_that_cannot_be_used_costs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    assert made(KernelCache(tmp_path / "file")) == (CODE, 1)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ketasim.engine.cache.os.replace", full)
    assert made(KernelCache(tmp_path / "cache")) == (CODE, 1)
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.engine.cache._LARGEST_COUNT", 3)
    cache = KernelCache(tmp_path)
    keys = [KernelCache.make_key(str(i)) for i in range(4)]
    for age, key in enumerate(keys[:3]):
        made(cache, key=key)
        os.utime(tmp_path / f"{key}.kernel", (1000 + age, 1000 + age))
    made(cache, key=keys[0])  # used now
    made(cache, key=keys[3])
    assert {path.stem for path in tmp_path.iterdir()} == {keys[0], keys[2], keys[3]}


def test_the_place_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETASIM_CACHE_DIR", str(tmp_path))
    assert default_cache().folder == tmp_path
    monkeypatch.setenv("KETASIM_CACHE_DIR", "off")
    assert default_cache().folder is None
    monkeypatch.delenv("KETASIM_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if sys.platform == "linux":
        assert default_cache().folder == tmp_path / ".cache" / "ketasim"
