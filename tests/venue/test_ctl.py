"""The back door: acts on orders, streams and the market, scripts, switches, short forms, lists in pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websocket
from websocket import WebSocketBadStatusException

from kyzlo_actors.venue.control.words import as_commands

if TYPE_CHECKING:
    from conftest import RunningVenue, Socket, StartVenue


def resting(venue: RunningVenue, client_order_id: str, **fields: Any) -> str:
    """An order far from the market, which has reached it; its id."""
    reply = venue.order(client_order_id, type="limit", limit_price="1", **fields)
    assert reply.status_code == 200, reply.text
    venue.until_status(client_order_id, "new")
    return str(reply.json()["id"])


def event(stream: Socket, name: str) -> dict[str, Any]:
    """The next event of that name."""
    while True:
        data = stream.recv()["data"]
        if data["event"] == name:
            return dict(data)


def refusal(venue: RunningVenue, body: Any) -> str:
    reply = venue.rest.post("/_ctl", json=body)
    assert reply.status_code == 400, body
    return str(reply.json()["error"])


# ---------------------------------------------------------------- orders, fills, cash, account


def test_an_order_is_filled_as_told(venue: RunningVenue) -> None:
    stream = venue.stream()
    order_id = resting(venue, "a", qty="10")
    venue.ctl(fill=order_id, qty=4)
    part = event(stream, "partial_fill")
    assert (part["qty"], part["order"]["filled_qty"]) == ("4", "4")
    venue.ctl(fill_order={"order": "a", "qty": "1", "price": "2.5"})
    assert event(stream, "partial_fill")["price"] == "2.5"
    venue.ctl(fill=order_id)
    assert event(stream, "fill")["qty"] == "5"
    assert "it is" in refusal(venue, {"fill": order_id}) or "open" in refusal(venue, {"fill": order_id})
    resting(venue, "b", qty="2")
    assert "2 shares are left" in refusal(venue, {"fill": "b", "qty": 3})


def test_any_event_can_be_sent_without_touching_the_order(venue: RunningVenue) -> None:
    stream = venue.stream()
    order_id = resting(venue, "a")
    venue.ctl(event="brand_new_event", id=order_id, set={"status": "odd", "brand_new": 1})
    told = event(stream, "brand_new_event")
    assert (told["order"]["status"], told["order"]["brand_new"], told["order"]["qty"]) == ("odd", 1, "1")
    venue.ctl(
        emit_event={"order": "a", "event": "fill", "data": {"price": "5", "qty": "1", "execution_id": "x"}}
    )
    assert event(stream, "fill")["execution_id"] == "x"
    assert venue.by_id("a")["status"] == "new"


@pytest.mark.parametrize("status", ["rejected", "expired", "canceled"])
def test_the_market_ends_an_order(venue: RunningVenue, status: str) -> None:
    stream = venue.stream()
    resting(venue, "a")
    venue.ctl(end_order={"order": "a", "status": status})
    assert event(stream, status)["order"]["status"] == status
    assert venue.by_id("a")["status"] == status


def test_a_stuck_cancel_is_refused_or_comes_through(venue: RunningVenue) -> None:
    stream = venue.stream()
    for name in ("a", "b"):
        order_id = resting(venue, name)
        venue.ctl(cancel_stuck=1)
        assert venue.rest.delete(f"/v2/orders/{order_id}").status_code == 204
        event(stream, "pending_cancel")
    venue.ctl(refuse_cancel="a", confirm_cancel="b")
    assert event(stream, "order_cancel_rejected")["order"]["client_order_id"] == "a"
    assert event(stream, "canceled")["order"]["client_order_id"] == "b"
    assert "pending" in refusal(venue, {"refuse_cancel": "a"})


def test_cash_moves_and_fills_are_broken(venue: RunningVenue) -> None:
    venue.bought("10", "a")
    (fill,) = venue.ctl_list("fills")["fills"]
    before = float(venue.rest.get("/v2/account").json()["cash"])
    venue.ctl(book_cash={"kind": "DIV", "amount": "12.5", "symbol": "AAA"})
    assert float(venue.rest.get("/v2/account").json()["cash"]) == pytest.approx(before + 12.5)
    (row,) = venue.rest.get("/v2/account/activities/DIV").json()
    assert row["activity_type"] == "DIV"
    venue.ctl(bust_fill={"execution_id": fill["execution_id"]})
    assert venue.rest.get("/v2/positions").json() == []
    assert "fills" in refusal(venue, {"bust_fill": {"execution_id": "none"}})


def test_the_account_can_be_blocked_while_it_runs(venue: RunningVenue) -> None:
    venue.ctl(account={"trading_blocked": True})
    assert venue.rest.get("/v2/account").json()["trading_blocked"] is True
    assert venue.order("a").status_code == 403
    venue.ctl(account={"trading_blocked": False})
    assert venue.order("a").status_code == 200
    assert "known flags" in refusal(venue, {"account": {"colour": True}})


# ---------------------------------------------------------------- streams


def test_the_upgrade_is_refused_until_it_is_not(venue: RunningVenue) -> None:
    def status() -> int:
        with pytest.raises(WebSocketBadStatusException) as told:
            venue.socket("/stream")
        return int(told.value.status_code)

    assert venue.ctl(cfg={"refuse_ws": True})["ws"] == 0
    assert status() == 429
    venue.ctl(refuse_stream={"seconds": 600, "status": 503})
    assert status() == 503
    venue.ctl(cfg={"refuse_ws": False})
    venue.stream()
    assert venue.ctl()["ws"] == 1


def test_sockets_are_closed_and_cut(venue: RunningVenue) -> None:
    for commands, code in (
        ({"drop_ws": True}, 1000),
        ({"close_streams": 1012}, 1012),
        ({"close_streams": 1006}, None),
    ):
        stream = venue.stream()
        venue.ctl(**commands)
        if code is None:
            with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
                stream.raw.recv_data()
        else:
            opcode, data = stream.raw.recv_data()
            assert (opcode, int.from_bytes(data[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, code)
        venue.until(lambda: venue.ctl()["ws"] == 0)
    stream = venue.stream()
    venue.ctl(drop_ws="abort")
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        stream.recv()


def test_events_are_replayed_and_broken_by_word(venue: RunningVenue) -> None:
    stream = venue.stream()
    venue.order("a")
    first = event(stream, "fill")
    venue.ctl(replay_events={"after_ms": 10, "order": "a", "last": 1})
    assert event(stream, "fill") == first
    venue.ctl(malformed={"kind": "html"})
    assert b"nginx" in stream.raw.recv()
    venue.ctl(faults=[{"fault": "malformed_events", "kind": "unknown_stream", "event": "fill"}])
    venue.order("b")
    frames = [stream.recv() for _ in range(3)]
    assert [frame["stream"] for frame in frames] == ["trade_updates", "trade_updates", "brand_new_stream"]


def test_polygons_sockets_are_broken_and_ended_by_word(venue: RunningVenue) -> None:
    polygon = venue.polygon()
    venue.ctl(malformed={"stream": "polygon", "kind": "cut"})
    assert polygon.raw.recv().startswith('{"ev":"brand')
    venue.ctl(force_disconnect=True)
    assert polygon.recv()[0]["status"] == "force_disconnect"
    opcode, data = polygon.raw.recv_data()
    assert (opcode, int.from_bytes(data[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, 1008)


def test_1006_is_no_goodbye_on_polygons_sockets_either(venue: RunningVenue) -> None:
    polygon = venue.polygon()
    venue.ctl(close_polygon=1006)
    with pytest.raises((ConnectionError, websocket.WebSocketConnectionClosedException)):
        while polygon.raw.recv_data()[0] != websocket.ABNF.OPCODE_CLOSE:
            pass  # what was on its way


# ---------------------------------------------------------------- market


def test_a_halted_symbol_does_not_fill_until_it_resumes(venue: RunningVenue) -> None:
    venue.ctl(halt="AAA")
    assert venue.order("a").status_code == 200
    venue.until_status("a", "new")
    venue.order("b", symbol="BBB")
    venue.until_status("b", "filled")
    assert venue.by_id("a")["status"] == "new"
    venue.ctl(resume="AAA")
    venue.until_status("a", "filled")
    venue.ctl(halt_all=True)
    venue.order("c", symbol="BBB")
    venue.until_status("c", "new")
    venue.ctl(halt_all=False)
    venue.until_status("c", "filled")
    assert "symbol of the scenario" in refusal(venue, {"halt": "ZZZ"})


def test_the_brokers_clock_can_be_wrong(venue: RunningVenue) -> None:
    def shown() -> str:
        return str(venue.rest.get("/v2/clock").json()["timestamp"])

    today = shown()[:10]
    venue.ctl(clock_ms=-3 * 86_400_000)
    assert shown()[:10] < today
    venue.ctl(clock_ms=0)
    assert shown()[:10] >= today


# ---------------------------------------------------------------- scripts, switches, faults, lists


def test_a_script_runs_step_after_step(venue: RunningVenue) -> None:
    stream = venue.stream()
    resting(venue, "a")
    venue.ctl(
        script=[
            {"do": {"event": "suspended", "id": "a"}},
            {"after_ms": 50, "do": {"fill": "a"}},
            {"after_ms": 50, "do": {"fill": "a"}},
            {"after_ms": 50, "do": {"event": "never", "id": "a"}},
        ]
    )
    event(stream, "suspended")
    event(stream, "fill")
    (failure,) = venue.until(lambda: venue.ctl()["scripts"]["failures"])
    assert failure["do"] == {"fill": "a"} and "open" in failure["error"]
    assert venue.ctl()["scripts"]["running"] == []


def test_scripts_are_bounded_listed_and_ended(venue: RunningVenue) -> None:
    step = {"after_ms": 60_000, "do": {"drop_events": 1}}
    for _ in range(20):
        state = venue.ctl(script=[step])
    assert [running["steps_left"] for running in state["scripts"]["running"]] == [1] * 20
    assert "the most at once" in refusal(venue, {"script": [step]})
    venue.ctl(cancel_scripts=True)
    assert venue.ctl()["scripts"]["running"] == []
    for bad in (
        [],
        [{"after_ms": -1, "do": {"drop_events": 1}}],
        [{"do": {}}],
        [{"do": {"script": [step]}}],
        5,
    ):
        refusal(venue, {"script": bad})
    venue.ctl(script=[step])  # the venue ends with a script still waiting


def test_switches_change_while_it_runs(venue: RunningVenue) -> None:
    assert venue.ctl(behaviour={"second_stream": "refuse"})["behaviour"]["second_stream"] == "refuse"
    venue.stream()
    with pytest.raises(WebSocketBadStatusException):
        venue.socket("/stream")
    assert "known: " in refusal(venue, {"behaviour": {"colour": 1}})
    assert "behaviour.second_stream" in refusal(venue, {"behaviour": {"second_stream": "odd"}})


def test_faults_of_the_scenario_hold_from_the_start(start_venue: StartVenue) -> None:
    venue = start_venue(faults=[{"fault": "fail_post_5xx", "symbol": "AAA"}, {"hold_fills": True}])
    assert venue.order("a").status_code == 500
    assert venue.order("b").status_code == 200
    venue.until_status("b", "new")
    state = venue.ctl(clear_faults=True)
    assert state["rules"] == []
    venue.until_status("b", "filled")


def test_every_fault_and_act_is_listed_with_a_line_of_help(venue: RunningVenue) -> None:
    listed = venue.ctl_list("faults")
    assert {"drop_events", "hold_fills"} <= set(listed["faults"]) and listed["rules"] == []
    assert {"fill_order", "script", "clock_ms"} <= set(listed["acts"])
    assert all(entry["help"] for part in ("faults", "acts") for entry in listed[part].values())
    assert listed["acts"]["fill_order"]["fields"] == ["order", "qty", "price"]


def test_long_lists_come_in_pages(venue: RunningVenue) -> None:
    for name in "abc":
        venue.bought("1", name)
    page = venue.ctl_list("orders", limit="2")
    assert [row["client_order_id"] for row in page["orders"]] == ["a", "b"] and page["total"] == 3
    rest = venue.ctl_list("orders", after=page["next"])
    assert [row["client_order_id"] for row in rest["orders"]] == ["c"] and rest["next"] is None
    assert [row["client_order_id"] for row in venue.ctl_list("fills")["fills"]] == ["a", "b", "c"]
    assert venue.ctl_list("posts", after="2")["posts"] == [{"client_order_id": "c", "posts": 1}]
    for query in ("after=-1", "limit=0", "after=x"):
        assert httpx.get(f"{venue.url}/_ctl/orders?{query}").status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"fill": "no such order"},
        {"fill": 5},
        {"qty": 4},
        {"event": "new"},
        {"event": "", "id": "a"},
        {"end_order": {"order": "a", "status": "filled"}},
        {"book_cash": {"kind": "div", "amount": 1}},
        {"book_cash": {"kind": "DIV", "amount": "NaN"}},
        {"refuse_stream": {"seconds": -1}},
        {"refuse_stream": {"seconds": 1, "status": 200}},
        {"close_streams": 999},
        {"close_streams": True},
        {"malformed": {"kind": "odd"}},
        {"replay_events": {"last": 0}},
        {"clock_ms": 1.5},
        {"cfg": 5},
        {"cfg": {"rate": 0}},
        {"cfg": {"colour": 1}},
        {"faults": [{"fault": "odd"}]},
        {"faults": [{}]},
        {"faults": {}},
        {"clear_faults": "odd"},
        {"break_trade": {"symbol": "ZZZ"}},
        {"set_price": {"symbol": "AAA", "price": True}},
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(venue: RunningVenue, body: Any) -> None:
    said = refusal(venue, body)
    assert "cannot be used" in said and "\n" not in said


def test_short_forms_are_written_out() -> None:
    body = {
        "cfg": {"mute": True},
        "event": "new",
        "id": "1",
        "set": {"a": 1},
        "fill": "2",
        "qty": 3,
        "drop_ws": 1,
    }
    assert json.loads(json.dumps(list(as_commands(body)))) == [
        ["cfg", {"mute": True}],
        ["emit_event", {"event": "new", "order": "1", "set": {"a": 1}}],
        ["fill_order", {"order": "2", "qty": 3}],
        ["close_streams", 1000],
    ]
