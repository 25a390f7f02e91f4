"""`kyzlo strategy`: which there are, a new one, and whether one may be trusted with a market."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kyzlo_actors.cli.complete import strategy_names
from kyzlo_actors.cli.exit_codes import ExitCode
from kyzlo_actors.domain.errors import BadInput

if TYPE_CHECKING:
    from kyzlo_actors.bootstrap.strategy_new import NewStrategy
    from kyzlo_actors.bootstrap.trial.check import Verdict

app = typer.Typer(help="List, begin and check strategies.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_strategies(as_json: JsonOption = False) -> None:
    """Print every installed strategy, its source, its parameters and their defaults.

    Example: kyzlo strategy list --json
    """
    from kyzlo_actors.bootstrap.plugins import installed_strategies

    rows = [_row(name, target) for name, target in sorted(installed_strategies().items())]
    if as_json:
        print(json.dumps(rows, indent=2, default=str))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        print(f"{row['name']:<{width}}  {row['target']}")
        if "problem" in row:
            print(f"{'':<{width}}  cannot be used: {row['problem']}")
            continue
        print(f"{'':<{width}}  {row['about']}")
        print(f"{'':<{width}}  {_declared(row['parameters'])}")
    print('\nin the settings: strategy = "NAME", or "module:Class" for one of your own (kyzlo strategy new)')


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As of a Python module: momentum.")],
    directory: Annotated[Path, typer.Option(metavar="DIR", help="Where to write it.")] = Path("."),
    frame: Annotated[bool, typer.Option("--frame", help="On pandas: a DataFrame with each bar.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a strategy that works, and its test, as a package of its own; nothing is overwritten.

    Example: kyzlo strategy new momentum
    """
    from kyzlo_actors.bootstrap.strategy_new import write_strategy

    made = write_strategy(name, directory, on_frames=frame)
    if as_json:
        files = [str(path) for path in made.files]
        print(json.dumps({"strategy": made.strategy, "files": files, "settings": made.settings}))
        return
    print("\n".join(_after_new(made, name)))


@app.command()
def check(
    strategy: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A name of the list, or module:Class.", autocompletion=strategy_names
        ),
    ],
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="A parameter; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the market that it is played on.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Read its source and play it on a market made here; exit 1 if it must not trade, 2 if it cannot be used.

    Example: kyzlo strategy check golden_cross --param fast=5 --param slow=20
    """
    from kyzlo_actors.bootstrap.strategy_parameters import given_parameters
    from kyzlo_actors.bootstrap.trial.check import check_strategy

    try:
        verdict = check_strategy(strategy, given_parameters(param or ()), seed=seed)
    except BadInput as problem:
        if not as_json:
            raise
        print(json.dumps({"ok": False, "problem": str(problem)}))
        raise typer.Exit(ExitCode.BAD_INPUT) from None
    if as_json:
        from dataclasses import asdict

        print(json.dumps({"ok": verdict.is_good, **asdict(verdict)}, indent=2, default=str))
    else:
        print("\n".join(_verdict_lines(verdict)))
    raise typer.Exit(ExitCode.OK if verdict.is_good else ExitCode.FAILED)


def _row(name: str, target: str) -> dict[str, Any]:
    from kyzlo_actors.bootstrap.plugins import find_strategy
    from kyzlo_actors.bootstrap.strategy_parameters import declared_parameters

    try:
        found = find_strategy(name, field="strategy")
    except BadInput as problem:
        return {"name": name, "target": target, "problem": problem.cure}
    import sys

    module = sys.modules[found.__module__]
    about = (module.__doc__ or found.__doc__ or "").strip().splitlines()
    return {
        "name": name,
        "target": target,
        "file": getattr(module, "__file__", None),
        "about": about[0] if about else "",
        "parameters": declared_parameters(found),
    }


def _declared(parameters: list[dict[str, Any]]) -> str:
    parts = [
        f"{row['name']} = {json.dumps(row['default'], default=str)}" if "default" in row else row["name"]
        for row in parameters
    ]
    return ", ".join(parts) or "no parameters"


def _after_new(made: NewStrategy, name: str) -> list[str]:
    wrote = "\n".join(f"  {path}" for path in made.files)
    go_there = [] if made.directory == Path.cwd() else [f"  cd {made.directory}"]
    return [
        f"wrote\n{wrote}\n",
        "try it:",
        *go_there,
        f"  pytest {name}",
        f"  kyzlo strategy check {made.strategy}",
        f"  kyzlo paper --strategy {made.strategy}\n",
        f"trade it: keep {name}/ beside your settings file (or start kyzlo in {made.directory}),",
        "and write in the settings:\n",
        made.settings,
    ]


def _verdict_lines(verdict: Verdict) -> list[str]:
    parameters = ", ".join(f"{name} = {value}" for name, value in verdict.parameters.items()) or "none"
    timers = ", ".join(f"{name} each {seconds:g} s" for name, seconds in verdict.timers.items()) or "none"
    lines = [
        f"{verdict.strategy}  ({', '.join(_short(file) for file in verdict.files)})",
        f"  parameters  {parameters}",
        f"  warm-up     {verdict.warm_up_bars} bars; timers: {timers}",
    ]
    if verdict.steps:
        steps = verdict.steps
        lines += [
            f"  played      {steps['ticks']} ticks and {steps['bars']} bars: {verdict.signals} signals",
            f"  speed       {_speed('tick', verdict.tick_us)}; {_speed('bar', verdict.bar_us)}",
        ]
    for remark in verdict.remarks:
        place = f"{_short(remark.place)}: " if remark.place else ""
        lines.append(f"{'error' if remark.is_error else 'warning'}: {place}{remark.text}")
    errors = sum(remark.is_error for remark in verdict.remarks)
    warnings = len(verdict.remarks) - errors
    lines.append(
        f"{'ok' if verdict.is_good else 'it must not trade'}: {errors} errors, {warnings} warnings"
        + ("; no file, network, clock or process seen, the same after restarts" if verdict.is_good else "")
    )
    return lines


def _speed(what: str, times_us: tuple[float, ...]) -> str:
    return f"{what} p50 {times_us[0]:g} µs, p99 {times_us[1]:g} µs"


def _short(path: str) -> str:
    """Relative where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path
