"""`kyzlo paper`: a venue and the service on this machine, for play; `--demo` plays a script and ends by itself."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from kyzlo_actors.cli.complete import scenario_names, strategy_names
from kyzlo_actors.cli.exit_codes import ExitCode
from kyzlo_actors.domain.errors import BadInput

if TYPE_CHECKING:
    from kyzlo_actors.bootstrap.paper import PaperSession
    from kyzlo_actors.bootstrap.paper_choice import PaperChoice
    from kyzlo_actors.cli.stage import Stage

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOG_LINES: Final = 15


class _Interrupted(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP: end in order. Not an Exception, so that nothing on the way takes it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def paper(
    demo: Annotated[bool, typer.Option("--demo", help="Play a script that ends with a halt.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed plays the same market at the same time.")] = 1,
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="The venue's scenario.", autocompletion=scenario_names)
    ] = "demo",
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A name, or module:Class of your own.", autocompletion=strategy_names
        ),
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="A parameter of it.")
    ] = None,
    symbols: Annotated[str | None, typer.Option(metavar="A,B", help="Only these of the scenario's.")] = None,
    bar_seconds: Annotated[int, typer.Option(metavar="SECONDS", help="Length of the bars.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines in place of the table.")] = False,
) -> None:
    """Trade a paper market on this machine: a venue, the actor tree, and a table of it. Ctrl-C ends it.

    Example: kyzlo paper --strategy mean_reversion --param period=30 --symbols AAPL,MSFT
    """
    from kyzlo_actors.bootstrap.paper_choice import paper_choice
    from kyzlo_actors.venue.scenario import load_scenario

    if demo and (strategy is not None or symbols is not None or bar_seconds != 1):
        given = strategy or symbols or bar_seconds
        raise BadInput(
            "--demo", given, "the demo plays its own strategies and symbols: leave out one of the two"
        )
    # What cannot be used is told before anything is made.
    choice = paper_choice(
        load_scenario(scenario),
        strategy=strategy,
        pairs=param or (),
        symbols=symbols,
        bar_seconds=bar_seconds,
    )
    for number in _ENDING:
        signal.signal(number, _interrupt)
    raise typer.Exit(_run(_Play(demo=demo, seed=seed, scenario=scenario, choice=choice), as_json=as_json))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Play:
    demo: bool
    seed: int
    scenario: str
    choice: PaperChoice


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    raise _Interrupted(number)


def _be_deaf() -> None:
    """The end is bounded, and must not be cut off by a second Ctrl-C."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def _run(play: _Play, *, as_json: bool) -> int:
    from rich.console import Console

    from kyzlo_actors.cli.stage import JsonStage, Stage

    with JsonStage() if as_json else Stage(Console()) as stage:
        code = _play(stage, play)
        stage.end(code)
        return code


def _play(stage: Stage, play: _Play) -> int:
    from kyzlo_actors.bootstrap.paper import PaperSession
    from kyzlo_actors.bootstrap.paper_places import make_places
    from kyzlo_actors.infrastructure.clock import SystemClock

    now_ns = SystemClock().now_ns()
    places = make_places(os.environ, now_ns=now_ns)
    session = PaperSession(
        places, environ=os.environ, scenario=play.scenario, seed=play.seed, choice=play.choice
    )
    try:
        _say_what_is_coming(session, stage, demo=play.demo)
        session.start(account_number=f"PA{now_ns // 1_000_000 % 10**7:07d}{os.getpid() % 1000:03d}")
        return _demo(session, stage) if play.demo else _open_end(session, stage)
    except _Interrupted as interrupted:
        _be_deaf()
        stage.close()
        stage.say("ending everything in order …")
        # Who stops a session without an end has got what he wanted; who stops the demo has not.
        return 128 + interrupted.number if play.demo else ExitCode.OK
    finally:
        _be_deaf()
        stage.close()
        session.end()


def _demo(session: PaperSession, stage: Stage) -> int:
    from kyzlo_actors.cli.demo import Demo
    from kyzlo_actors.domain.errors import KyzloError

    try:
        Demo(session, stage).play()
    except KyzloError as failure:
        stage.close()
        _tell_failure(session, stage, failure)
        return ExitCode.FAILED
    stage.say(f"journals and certificate: {session.places.home}")
    return ExitCode.OK


def _open_end(session: PaperSession, stage: Stage) -> int:
    from kyzlo_actors.cli.paper_loop import POLL_SECONDS, PaperLoop
    from kyzlo_actors.domain.errors import KyzloError

    loop = PaperLoop(session, stage)
    try:
        loop.await_view()
        while True:
            loop.turn()
            time.sleep(POLL_SECONDS)
    except KyzloError as failure:
        stage.close()
        _tell_failure(session, stage, failure)
        return ExitCode.FAILED
    finally:
        loop.close()


def _say_what_is_coming(session: PaperSession, stage: Stage, *, demo: bool) -> None:
    if demo:
        stage.say(
            "KYZLO demo: a paper venue and the real actor tree on this machine. Golden-cross actors trade, "
            "one is killed and comes back,\nthen everything is halted, with proof. About a minute; Ctrl-C ends it."
        )
    else:
        places = session.places
        stage.say(
            "KYZLO paper session: a paper venue and the real actor tree on this machine. Ctrl-C ends it.\n"
            f"halt it from elsewhere: kyzlo halt --state-dir {places.state_directory} "
            f"--runtime-dir {places.runtime_directory} --reason WHY"
        )
        if session.choice.strategy is not None:
            stage.say(_about(session.choice))
    stage.say(f"logs and journals: {session.places.home}")


def _about(choice: PaperChoice) -> str:
    given = ", ".join(f"{name} = {value}" for name, value in choice.parameters.items()) or "its defaults"
    on = ", ".join(choice.symbols) or "all symbols"
    return f"strategy: {choice.strategy} ({given}) on {on}, bars of {choice.bar_seconds} s"


def _tell_failure(session: PaperSession, stage: Stage, failure: Exception) -> None:
    from kyzlo_actors.cli.log_lines import readable

    for child in session.children:
        lines = child.last_lines(_LOG_LINES)
        if lines:
            stage.say(f"--- last lines of {child.name} ({child.log})")
            stage.say("\n".join(readable(line) for line in lines))
    stage.say(f"kyzlo: the session failed: {failure}", event="failure", problem=str(failure))
