"""Certificates: hashed, chained, bounded, readable."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.guardian import certificate_store
from kyzlo_actors.guardian.certificate import (
    FIRST_PREVIOUS,
    CertificateFacts,
    OrderProof,
    PositionLeft,
    certificate_fields,
    certificate_text,
    is_intact,
)
from kyzlo_actors.guardian.certificate_store import CertificateStore

NOW_NS = 1_700_000_000_123_456_789


def facts(number: int = 1, *, proven: bool = True) -> CertificateFacts:
    return CertificateFacts(
        kind="halt",
        halt_id=f"halt-{NOW_NS + number}",
        by="uid 0",
        reason="a drill",
        code="operator",
        latched_ns=NOW_NS,
        begun_ns=NOW_NS,
        sealed_ns=None,
        finished_ns=NOW_NS + 1,
        elapsed_seconds=0.25,
        graceful=True,
        in_flight=("kyzlo.a.1",),
        orders=(
            OrderProof(client_order_id="kyzlo.a.1", side="buy", qty="10", symbol="AAPL", proof="canceled"),
        ),
        clean_reads_ns=(NOW_NS,) * 3 if proven else (),
        clean_reads_wanted=3,
        proven=proven,
        positions=(PositionLeft(symbol="MSFT", qty="-3", avg_entry_price="301.5"),),
        killed={"admin": 12},
        trouble="",
    )


def test_each_certificate_carries_the_hash_of_the_one_before(tmp_path: Path) -> None:
    store = CertificateStore(tmp_path / "certificates")
    paths = [store.write(facts(number)) for number in (1, 2, 3)]
    written = [json.loads(path.read_text()) for path in paths]
    assert [fields["sequence"] for fields in written] == [1, 2, 3]
    assert written[0]["previous_sha256"] == FIRST_PREVIOUS
    assert [fields["previous_sha256"] for fields in written[1:]] == [
        fields["sha256"] for fields in written[:-1]
    ]
    assert all(is_intact(fields) for fields in written)
    assert all(stat.S_IMODE(os.stat(path).st_mode) == 0o600 for path in paths)
    assert store.broken_links() == []


def test_a_changed_certificate_is_found_out(tmp_path: Path) -> None:
    store = CertificateStore(tmp_path)
    first, second = store.write(facts(1)), store.write(facts(2))
    fields = json.loads(first.read_text())
    first.write_text(json.dumps(fields | {"proven": False}))
    assert store.broken_links() == [first.name]
    forged = certificate_fields(facts(1, proven=False), sequence=1, previous_sha256=FIRST_PREVIOUS)
    first.write_text(json.dumps(forged))
    assert store.broken_links() == [second.name]
    first.write_text("{")
    assert first.name in store.broken_links()


def test_an_unreadable_certificate_does_not_stop_the_next(tmp_path: Path) -> None:
    store = CertificateStore(tmp_path)
    store.write(facts(1)).write_text("not json")
    following = json.loads(store.write(facts(2)).read_text())
    assert (following["sequence"], following["previous_sha256"]) == (2, certificate_store.UNREADABLE)


def test_the_newest_certificate_of_a_halt_counts(tmp_path: Path) -> None:
    store = CertificateStore(tmp_path)
    store.write(facts(1, proven=False))
    store.write(facts(2))
    store.write(facts(1))
    newest = store.newest(facts(1).halt_id)
    assert newest is not None and (newest["sequence"], newest["proven"]) == (3, True)
    assert store.newest("halt-7") is None
    assert CertificateStore(tmp_path / "none").newest("halt-7") is None


def test_only_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_store, "KEPT_CERTIFICATES", 3)
    store = CertificateStore(tmp_path)
    for number in range(5):
        store.write(facts(number))
    assert sorted(path.name[:8] for path in tmp_path.glob("*.json")) == ["00000003", "00000004", "00000005"]
    assert len(list(tmp_path.iterdir())) == 6
    assert store.broken_links() == []


def test_a_directory_that_cannot_be_written_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Fatal):
        CertificateStore(tmp_path / "file").write(facts())


def test_the_text_says_everything() -> None:
    text = certificate_text(certificate_fields(facts(), sequence=7, previous_sha256=FIRST_PREVIOUS))
    for words in (
        "HALT CERTIFICATE halt-1700000000123456790 (number 7)",
        "PROVEN: nothing is open",
        "by uid 0 [operator]: a drill",
        "latched   2023-11-14T22:13:20.123456Z",
        "sealed    never",
        "kyzlo.a.1 buy 10 AAPL: canceled",
        "MSFT -3",
        "admin (pid 12)",
    ):
        assert words in text
    unproven = certificate_fields(facts(proven=False), sequence=1, previous_sha256=FIRST_PREVIOUS)
    assert "NOT PROVEN" in certificate_text(unproven)
