# ruff: noqa
"""The vendors' own clients against a venue: 44 numbered checks, 47 printed lines, the exit code says whether all pass.

Usage: python -W ignore official_clients.py PORT, on a venue that was just started with the scenario `conformance`.
Each check() is one line of the plan; `/_ctl` makes the trouble. Written as a script for people who judge a venue:
it knows nothing of the project, and its names, keys and prices are the scenario's (`renamed.py` changes both).
"""

import asyncio, sys, threading, time, datetime as dt, json, urllib.request, traceback, logging

P = int(sys.argv[1])
H = f"http://127.0.0.1:{P}"
W = f"ws://127.0.0.1:{P}"
RES = []
logging.getLogger("alpaca").setLevel(logging.CRITICAL)


def check(name, cond, note=""):
    RES.append((name, bool(cond)))
    print(("PASS" if cond else "FAIL"), name, note, flush=True)


def ctl(**k):
    return json.load(
        urllib.request.urlopen(
            urllib.request.Request(H + "/_ctl", json.dumps(k).encode(), {"Content-Type": "application/json"})
        )
    )


def wait(f, t=5):
    e = time.time() + t
    while time.time() < e:
        if f():
            return True
        time.sleep(0.02)
    return False


from alpaca.trading.client import TradingClient
from alpaca.trading.stream import TradingStream
from alpaca.trading.requests import *
from alpaca.trading.enums import *
from alpaca.trading.models import *
from alpaca.common.exceptions import APIError
from alpaca.data.live import StockDataStream

c = TradingClient("PKTEST", "SECTEST", paper=True, url_override=H)
EV = []


async def on(u):
    EV.append((time.time(), u))


ts = TradingStream("PKTEST", "SECTEST", url_override=W + "/stream")
ts.subscribe_trade_updates(on)
threading.Thread(target=ts.run, daemon=True).start()
check("01 TradingStream url_override: authenticate+listen over BINARY frames", wait(lambda: ctl()["ws"] == 1))


def evs(o):
    return [
        u.event.value if hasattr(u.event, "value") else u.event for _, u in EV if str(u.order.id) == str(o)
    ]


def raises(f, st, code, msg):
    try:
        f()
        return False
    except APIError as e:
        return e.status_code == st and e.code == code and msg in e.message


a = c.get_account()
check(
    "02 get_account -> TradeAccount (no PDT fields, post 2026-07-06)",
    isinstance(a, TradeAccount) and a.pattern_day_trader is None and a.status == AccountStatus.ACTIVE,
)
k = c.get_clock()
check(
    "03 get_clock (nanosecond timestamp with -05:00)",
    k.is_open and k.timestamp.utcoffset() == dt.timedelta(hours=-5),
)
k = c.get_calendar(GetCalendarRequest(start=dt.date(2026, 11, 27), end=dt.date(2026, 11, 27)))
check("04 get_calendar early close", k[0].close.hour == 13)
check(
    "05 get_asset / get_all_assets",
    c.get_asset("AAPL").fractionable
    and len(c.get_all_assets(GetAssetsRequest(status=AssetStatus.ACTIVE))) > 3,
)
check("06 unknown asset 404/40410000", raises(lambda: c.get_asset("ZZZ"), 404, 40410000, "asset not found"))
o = c.submit_order(
    MarketOrderRequest(symbol="AAPL", qty=10, side="buy", time_in_force="day", client_order_id="c-1")
)
check(
    "07 submit market: reply is not yet filled",
    o.status in (OrderStatus.PENDING_NEW, OrderStatus.ACCEPTED) and o.filled_qty == "0",
)
wait(lambda: "fill" in evs(o.id))
check("08 event order pending_new,new,fill", evs(o.id) == ["pending_new", "new", "fill"], evs(o.id))
u = [u for _, u in EV if str(u.order.id) == str(o.id) and u.event == TradeEvent.FILL][0]
check(
    "09 fill payload: execution_id, price, qty, position_qty, order snapshot",
    u.execution_id
    and u.price == 190.1
    and u.qty == 10
    and u.position_qty == 10
    and u.order.status == OrderStatus.FILLED,
)
check(
    "10 GET by client_order_id and by id agree",
    c.get_order_by_client_id("c-1").id == o.id == c.get_order_by_id(o.id).id,
)
check(
    "11 duplicate client_order_id -> 422 'must be unique'",
    raises(
        lambda: c.submit_order(
            MarketOrderRequest(symbol="AAPL", qty=1, side="buy", time_in_force="day", client_order_id="c-1")
        ),
        422,
        40010001,
        "must be unique",
    ),
)
check(
    "12 insufficient buying power -> 403/40310000",
    raises(
        lambda: c.submit_order(MarketOrderRequest(symbol="AAPL", qty=1e7, side="buy", time_in_force="day")),
        403,
        40310000,
        "insufficient buying power",
    ),
)
check(
    "13 sub-penny -> 422/42210000",
    raises(
        lambda: c.submit_order(
            LimitOrderRequest(symbol="AAPL", qty=1, side="buy", time_in_force="day", limit_price=190.123)
        ),
        422,
        42210000,
        "sub-penny",
    ),
)
check(
    "14 fractional GTC -> 422",
    raises(
        lambda: c.submit_order(MarketOrderRequest(symbol="AAPL", qty=0.5, side="buy", time_in_force="gtc")),
        422,
        42210000,
        "fractional orders must be DAY",
    ),
)
check(
    "15 ext-hours market -> 422",
    raises(
        lambda: c.submit_order(
            MarketOrderRequest(symbol="AAPL", qty=1, side="buy", time_in_force="day", extended_hours=True)
        ),
        422,
        42210000,
        "extended hours",
    ),
)
check(
    "16 unknown symbol -> 422",
    raises(
        lambda: c.submit_order(MarketOrderRequest(symbol="NOPE", qty=1, side="buy", time_in_force="day")),
        422,
        42210000,
        "not found",
    ),
)
t0 = time.time()
o = c.submit_order(MarketOrderRequest(symbol="RACE", qty=5, side="buy", time_in_force="day"))
t1 = time.time()
f = [t for t, u in EV if str(u.order.id) == str(o.id) and u.event == TradeEvent.FILL]
check(
    "17 RACE: fill event arrived before POST returned, POST body still says pending_new",
    f and f[0] < t1 and o.status == OrderStatus.PENDING_NEW,
)
o = c.submit_order(LimitOrderRequest(symbol="PART", qty=10, side="buy", time_in_force="day", limit_price=20))
wait(lambda: "partial_fill" in evs(o.id))
ctl(fill=str(o.id), qty=4)
ctl(fill=str(o.id))
wait(lambda: "fill" in evs(o.id))
fs = [u for _, u in EV if str(u.order.id) == str(o.id) and u.execution_id and u.qty]
check(
    "18 partial fills: sum(event.qty)==order.qty, filled_qty cumulative, execution ids distinct",
    sum(u.qty for u in fs) == 10
    and [float(u.order.filled_qty) for u in fs] == [3, 7, 10]
    and len({u.execution_id for u in fs}) == 3,
)
o = c.submit_order(LimitOrderRequest(symbol="SPY", qty=2, side="buy", time_in_force="day", limit_price=400))
wait(lambda: "new" in evs(o.id))
n = c.replace_order_by_id(o.id, ReplaceOrderRequest(limit_price=401))
wait(lambda: "replaced" in evs(o.id))
old = c.get_order_by_id(o.id)
check(
    "19 replace: NEW id; old.status replaced, replaced_by/replaces linked",
    n.id != o.id
    and old.status == OrderStatus.REPLACED
    and old.replaced_by == n.id
    and c.get_order_by_id(n.id).replaces == o.id,
)
check(
    "20 replace of a replaced order -> 422 not open",
    raises(
        lambda: c.replace_order_by_id(o.id, ReplaceOrderRequest(limit_price=402)), 422, 42210000, "not open"
    ),
)
wait(lambda: "new" in evs(n.id))
check(
    "21 replace without change -> 403",
    raises(lambda: c.replace_order_by_id(n.id, ReplaceOrderRequest(qty=2)), 403, 40310000, "not changed"),
)
c.cancel_order_by_id(n.id)
wait(lambda: "canceled" in evs(n.id))
check("22 cancel 204 then pending_cancel,canceled", evs(n.id)[-2:] == ["pending_cancel", "canceled"])
check(
    "23 cancel of a terminal order -> 422/42210000",
    raises(lambda: c.cancel_order_by_id(n.id), 422, 42210000, "already in"),
)
check(
    "24 cancel unknown -> 404/40410000",
    raises(
        lambda: c.cancel_order_by_id("00000000-0000-0000-0000-000000000001"), 404, 40410000, "order not found"
    ),
)
b = c.submit_order(
    MarketOrderRequest(
        symbol="TSLA",
        qty=1,
        side="buy",
        time_in_force="gtc",
        order_class="bracket",
        take_profit=TakeProfitRequest(limit_price=250),
        stop_loss=StopLossRequest(stop_price=150),
    )
)
time.sleep(0.3)
ne = c.get_orders(GetOrdersRequest(status="all", nested=True, symbols=["TSLA"]))
fl = c.get_orders(GetOrdersRequest(status="all", symbols=["TSLA"]))
check(
    "25 bracket: legs held, nested rolls up, flat lists 3",
    len(b.legs) == 2
    and b.legs[0].status == OrderStatus.HELD
    and len(ne) == 1
    and len(ne[0].legs) == 2
    and len(fl) == 3,
)
t = dt.datetime.now(dt.timezone.utc)
x = c.submit_order(LimitOrderRequest(symbol="SPY", qty=1, side="buy", time_in_force="day", limit_price=1))
time.sleep(0.2)
l = c.get_orders(GetOrdersRequest(status="all", after=t, direction="asc", limit=500))
check(
    "26 GET orders after=/direction/limit (exclusive, on submitted_at)", [str(i.id) for i in l] == [str(x.id)]
)
check(
    "27 sell more than available -> 403 with held_for_orders/related_orders",
    raises(
        lambda: c.submit_order(MarketOrderRequest(symbol="AAPL", qty=999, side="sell", time_in_force="day")),
        403,
        40310000,
        "insufficient qty available",
    ),
)
ps = c.get_all_positions()
p = c.get_open_position("AAPL")
check(
    "28 positions (qty, qty_available as strings)",
    any(i.symbol == "AAPL" for i in ps) and p.qty == "10" and p.qty_available == "10",
)
ac = c.get("/account/activities", {"activity_types": "FILL", "direction": "asc", "page_size": 2})
pg = c.get("/account/activities/FILL", {"direction": "asc", "page_size": 100, "page_token": ac[-1]["id"]})
m = [TradeActivity(**i) for i in ac + pg]
check(
    "29 activities paging by page_token; TradeActivity parses; execution uuid in id == ws execution_id",
    len(m) >= 6 and {i.id.split("::")[1] for i in m} >= {str(u.execution_id) for u in fs},
)
r = c.cancel_orders()
check("30 cancel_orders -> 207 multi-status list", r and all(i.status == 200 for i in r))
ctl(drop_ws="abort")
n0 = len(EV)
o = c.submit_order(
    MarketOrderRequest(symbol="SPY", qty=3, side="buy", time_in_force="day", client_order_id="gap-1")
)
time.sleep(0.4)
miss = evs(o.id) == []
rec = wait(lambda: ctl()["ws"] == 1, 8)
check(
    "31 ws abort: events in the gap are LOST, client reconnects, REST by client id shows filled",
    miss and rec and c.get_order_by_client_id("gap-1").status == OrderStatus.FILLED and evs(o.id) == [],
)
ctl(cfg={"refuse_ws": True})
ctl(drop_ws="abort")
time.sleep(2.5)
ctl(cfg={"refuse_ws": False})
check("32 HTTP 429 on ws upgrade -> backoff then reconnect", wait(lambda: ctl()["ws"] == 1, 12))
c._retry = 0
ctl(cfg={"drop_after_post": True})
amb = None
try:
    c.submit_order(
        MarketOrderRequest(symbol="AAPL", qty=1, side="buy", time_in_force="day", client_order_id="amb-1")
    )
except Exception as e:
    amb = type(e).__name__
time.sleep(0.2)
check(
    "33 ambiguous POST (socket cut) -> order exists under client_order_id",
    amb and c.get_order_by_client_id("amb-1").filled_qty == "1",
    amb,
)
ctl(cfg={"rate": 1, "hits": []})
try:
    c.get_clock()
    c.get_clock()
    ok = False
except APIError as e:
    ok = e.status_code == 429 and e.response.headers["X-RateLimit-Remaining"] == "0"
ctl(cfg={"rate": 10000})
check("34 429 + X-RateLimit-* headers", ok)
for i, ev in enumerate(
    [
        "done_for_day",
        "expired",
        "stopped",
        "calculated",
        "suspended",
        "rejected",
        "order_cancel_rejected",
        "order_replace_rejected",
        "pending_replace",
        "held",
        "restated",
        "brand_new_event",
    ]
):
    h = c.submit_order(
        LimitOrderRequest(symbol="HALT", qty=1, side="buy", time_in_force="day", limit_price=1)
    )
    time.sleep(0.1)
    ctl(event=ev, id=str(h.id))
    if not wait(lambda: ev in evs(h.id), 2):
        check("35 event " + ev, False)
        break
else:
    check("35 every documented (and an unknown) trade_updates event parses in TradeUpdate", True)
try:
    TradingClient("PKTEST", "WRONG", url_override=H).get_account()
    ok = False
except APIError as e:
    ok = e.status_code == 401 and e.response.json() == {"message": "unauthorized."}
check("36 bad key 401 body has NO code (APIError.code would KeyError)", ok)
r = c.close_position("PART")
check("37 close_position -> Order", isinstance(r, Order) and r.side == OrderSide.SELL)
r = c.close_all_positions()
bad = [i for i in r if i.status != 200]
time.sleep(0.4)
check(
    "38 close_all_positions -> 207; item already being closed comes back status 403 + FailedClosePositionDetails (never assume 207 == flat); then flat",
    [i.symbol for i in bad] == ["PART"]
    and isinstance(bad[0].body, FailedClosePositionDetails)
    and all(isinstance(i.body, Order) for i in r if i.status == 200)
    and c.get_all_positions() == [],
)
ts.stop()
D = []


async def ond(t):
    D.append(t)


ds = StockDataStream("PKTEST", "SECTEST", url_override=W + "/data/v2/iex")
ds.subscribe_trades(ond, "AAPL")
threading.Thread(target=ds.run, daemon=True).start()
check("39 StockDataStream url_override (msgpack)", wait(lambda: D) and D[0].symbol == "AAPL")
ds.stop()


def poly(mod, key, subs, n, secs=4):
    ws = mod.WebSocketClient(
        api_key=key,
        feed=f"127.0.0.1:{P}",
        market="stocks",
        secure=False,
        subscriptions=subs,
        max_reconnects=0,
    )
    got = []
    ex = []

    async def go():
        async def h(m):
            got.extend(m)

        try:
            await asyncio.wait_for(ws.connect(h), secs)
        except asyncio.TimeoutError:
            await ws.close()
        except Exception as e:
            ex.append(e)

    asyncio.run(go())
    return got, ex


import massive, polygon

for mod in (massive, polygon):
    g, ex = poly(mod, "POLYKEY", ["T.AAPL", "Q.AAPL", "A.AAPL", "AM.AAPL"], 6, 2)
    k = [type(x).__name__ for x in g]
    check(
        f"40 {mod.__name__} WebSocketClient feed=host:port secure=False gets T,Q,A,AM",
        k.count("EquityTrade") == 2 and k.count("EquityQuote") == 1 and k.count("EquityAgg") == 4,
        k,
    )
    if mod is massive:
        check(
            "41 massive: fractional size 'ds' string, conditions, trfi/trft, ms t; late bar re-broadcast same s",
            [x.fractional_shares for x in g if hasattr(x, "fractional_shares")] == [None, "5.25"]
            and len({(x.event_type, x.start_timestamp) for x in g if hasattr(x, "start_timestamp")}) == 2,
        )
    _, ex = poly(mod, "BAD", ["T.AAPL"], 0, 2)
    check(f"42 {mod.__name__} bad key -> AuthError", ex and type(ex[0]).__name__ == "AuthError")
    rc = mod.RESTClient("POLYKEY", base=H, retries=0)
    l = list(rc.list_aggs("AAPL", 1, "minute", "2023-11-14", "2023-11-15", limit=2))
    check(
        f"43 {mod.__name__} RESTClient(base=) list_aggs follows next_url (host re-based)",
        len(l) == 4 and l[3].timestamp - l[0].timestamp == 180000,
    )


async def two():
    A, B = (
        massive.WebSocketClient(
            api_key="POLYKEY", feed=f"127.0.0.1:{P}", secure=False, subscriptions=["T.X"], max_reconnects=0
        )
        for _ in "ab"
    )

    async def nop(m):
        pass

    ta = asyncio.create_task(A.connect(nop))
    await asyncio.sleep(0.5)
    tb = asyncio.create_task(B.connect(nop))
    await asyncio.sleep(0.8)
    r = (ta.done() and ta.exception(), tb.done())
    tb.cancel()
    return r


r = asyncio.run(two())
check(
    "44 second connection evicts first: max_connections status then close 1008",
    r[0] is not None and "1008" in str(r[0]) and r[1] is False,
    r,
)
print(f"{sum(x for _, x in RES)}/{len(RES)} passed")
sys.stdout.flush()
import os

os._exit(0 if all(x for _, x in RES) else 1)
