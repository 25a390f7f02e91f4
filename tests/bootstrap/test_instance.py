"""One state directory, one instance, one account; and directories nobody else can use."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.bootstrap.instance import claim_instance, make_directories
from kyzlo_actors.bootstrap.setting_types import MAX_RUNTIME_PATH_BYTES
from kyzlo_actors.domain.errors import BadInput


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_directories_are_made_closed(tmp_path: Path) -> None:
    state, runtime = tmp_path / "a" / "state", tmp_path / "run"
    before = os.umask(0o077)
    try:
        make_directories(state, runtime)
    finally:
        os.umask(before)
    assert (mode(state), mode(runtime), mode(runtime / "private")) == (0o700, 0o750, 0o700)


def test_directories_that_exist_lose_what_everybody_may(tmp_path: Path) -> None:
    state, runtime = tmp_path / "state", tmp_path / "run"
    for directory in (state, runtime, runtime / "private"):
        directory.mkdir()
        directory.chmod(0o757)
    make_directories(state, runtime)
    assert (mode(state), mode(runtime), mode(runtime / "private")) == (0o750, 0o750, 0o700)


def test_a_link_or_a_file_is_no_directory_of_ours(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("")
    for name in ("link", "file"):
        with pytest.raises(BadInput, match=r"paths\.state_directory.*file or a link"):
            make_directories(tmp_path / name, None)
    with pytest.raises(BadInput, match="that you may make"):
        make_directories(tmp_path / "file" / "below", None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    os.chown(runtime, 65534, 65534)
    with pytest.raises(BadInput, match="belongs to user 65534"):
        make_directories(tmp_path / "state", runtime)


def test_a_second_instance_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    with claim_instance(tmp_path / "s", "PA1", False):
        with pytest.raises(BadInput) as caught:
            claim_instance(tmp_path / "s", "PA1", False)
        assert str(tmp_path / "s") in str(caught.value)
        assert f"another instance (pid {os.getpid()}) runs on it: stop that one" in str(caught.value)
    claim_instance(tmp_path / "s", "PA1", False).release()


def test_two_state_directories_may_not_share_a_runtime_directory(tmp_path: Path) -> None:
    with claim_instance(tmp_path / "s1", "PA1", False, runtime_directory=tmp_path / "r"):
        with pytest.raises(BadInput, match=r"paths\.runtime_directory.*another instance"):
            claim_instance(tmp_path / "s2", "PA1", False, runtime_directory=tmp_path / "r")
        # The failed claim gave back what it had locked.
        claim_instance(tmp_path / "s2", "PA1", False, runtime_directory=tmp_path / "r2").release()


@pytest.mark.parametrize(
    ("account", "live", "named"), [("PA2", False, "PA2 (paper)"), ("PA1", True, "PA1 (live)")]
)
def test_another_account_is_refused(tmp_path: Path, account: str, live: bool, named: str) -> None:
    claim_instance(tmp_path / "s", "PA1", False).release()
    with pytest.raises(BadInput) as caught:
        claim_instance(tmp_path / "s", account, live)
    assert f"belongs to account PA1 (paper), and this is account {named}" in str(caught.value)
    claim_instance(tmp_path / "s", "PA1", False).release()  # the refusal left no lock behind
    assert mode(tmp_path / "s" / "account.json") == 0o600


def test_a_spoilt_binding_is_refused_not_replaced(tmp_path: Path) -> None:
    claim_instance(tmp_path / "s", "PA1", False).release()
    (tmp_path / "s" / "account.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be read"):
        claim_instance(tmp_path / "s", "PA1", False)
    assert (tmp_path / "s" / "account.json").read_text() == "{"


def test_the_lock_lives_as_long_as_a_process_that_inherited_it(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    parent = os.fork()
    if (
        parent == 0
    ):  # a first instance that dies and leaves an actor behind; nothing of pytest may run in either
        try:
            claim_instance(tmp_path / "s", "PA1", False)
            if os.fork() == 0:
                os.write(writer, str(os.getpid()).encode())
                signal.pause()
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(parent, 0)
    orphan = int(os.read(reader, 20))  # end of file, hence ValueError, if it never came to life
    try:
        with pytest.raises(BadInput, match="another instance"):
            claim_instance(tmp_path / "s", "PA1", False)
    finally:
        os.kill(orphan, signal.SIGKILL)
        os.close(reader)


def test_the_longest_runtime_path_still_holds_every_socket() -> None:
    runtime = Path("/" + "r" * (MAX_RUNTIME_PATH_BYTES - 1))
    layout = Layout(state_directory=Path("/s"), runtime_directory=runtime, symbols=("ABCDEFGHIJ",))
    sockets = [
        layout.admin_socket,
        layout.wake("ABCDEFGHIJ"),
        *(layout.mailbox(name) for name in layout.actors),
    ]
    assert max(len(str(path)) for path in sockets) <= 107
