"""The best bid and offer around a print: a function of the print and the price, like everything in the market."""

from __future__ import annotations

import random
from typing import Final

from kyzlo_actors.replay.matching_messages import Quote
from kyzlo_actors.venue.market.prints import Print, QuotePrint
from kyzlo_actors.venue.scenario import MarketPart

_EXCHANGES: Final = (4, 8, 10, 11, 12, 15, 19, 21)
_ROUND_LOT: Final = 100


def quote_print(trade: Print, quote: Quote, terms: MarketPart) -> QuotePrint:
    """The quote that stood when `trade` was printed; now and then one-sided or crossed."""
    rng = random.Random(f"{trade.symbol}:{trade.trade_id}:{trade.ts_ms}")
    bid, ask = quote.bid, quote.ask
    bid_size, ask_size = (rng.randrange(1, 10) * _ROUND_LOT for _ in range(2))
    chance = rng.random()
    if terms.mode == "intraday":
        if chance < terms.crossed_share:
            bid, ask = ask, bid
        elif chance < terms.crossed_share + terms.one_sided_share:
            if rng.random() < 0.5:
                bid, bid_size = 0.0, 0
            else:
                ask, ask_size = 0.0, 0
    return QuotePrint(
        symbol=trade.symbol,
        bid=bid,
        bid_size=bid_size,
        bid_exchange=rng.choice(_EXCHANGES),
        ask=ask,
        ask_size=ask_size,
        ask_exchange=rng.choice(_EXCHANGES),
        tape=trade.tape,
        ts_ms=trade.ts_ms,
        participant_ms=trade.participant_ms,
        # Trades and quotes are counted apart.
        sequence=trade.sequence * 7,
    )
