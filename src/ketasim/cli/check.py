"""``ketasim check``: a regimen against published rules of supervision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import output, write_json

if TYPE_CHECKING:
    from ketasim.dosing.supervision import Finding, PersonFacts

__all__ = ["check"]

_NOTE = "A research and teaching instrument, not for treating a person."
#: What matters most comes first.
_COLOURS = {
    "fail": "bold red",
    "warn": "yellow",
    "cannot tell": "cyan",
    "pass": "green",
    "not applicable": "dim",
}
_ORDER = tuple(_COLOURS)


def check(
    regimen: Annotated[str, typer.Argument(metavar="REGIMEN", help="Doses as text, from the first ever.")],
    purpose: Annotated[
        str,
        typer.Option("--for", help="depression, suicidality, acute_pain, chronic_pain or anaesthesia."),
    ] = "depression",
    weight: Annotated[str | None, typer.Option(help="Body weight, as '70 kg'.")] = None,
    height: Annotated[str | None, typer.Option(help="Body height, for doses per m2, as '1.70 m'.")] = None,
    age: Annotated[float | None, typer.Option(help="Age in years.")] = None,
    systolic: Annotated[float | None, typer.Option(help="Systolic pressure before the dose, mmHg.")] = None,
    diastolic: Annotated[float | None, typer.Option(help="Diastolic pressure before the dose, mmHg.")] = None,
    hepatic: Annotated[str | None, typer.Option(help="Child-Pugh class: none, A, B or C.")] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="What the person has or had, as psychosis,pregnancy; or none."),
    ] = None,
    taking: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Taken beside it, as benzodiazepine,opioid; or none."),
    ] = None,
    arranged: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Arranged, as pulse_oximetry,no_driving,certified_setting."),
    ] = None,
    food: Annotated[str | None, typer.Option(help="Time since food, as 3h.")] = None,
    liquid: Annotated[str | None, typer.Option(help="Time since liquid, as 45min.")] = None,
    nasal: Annotated[str | None, typer.Option(help="Time since a nasal steroid or decongestant.")] = None,
    watched: Annotated[str | None, typer.Option(help="Time watched after a dose, as 2h.")] = None,
    pressure_at: Annotated[
        str | None, typer.Option(help="Time after a dose at which blood pressure is taken, as 40min.")
    ] = None,
    push: Annotated[str | None, typer.Option(help="Time over which a bolus is pushed, as 60s.")] = None,
    benefit: Annotated[
        bool | None, typer.Option("--benefit/--no-benefit", help="Whether there is a benefit at week 4.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Leave with code 1 if a rule fails.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Check a regimen against published rules of supervision: labels and consensus statements."""
    from ketasim.dosing import parse_regimen
    from ketasim.dosing.supervision import PersonFacts, check_regimen

    facts = PersonFacts(
        purpose=purpose,
        weight_kg=_measured("--weight", weight, "kg"),
        height_m=_measured("--height", height, "m"),
        age=age,
        systolic=systolic,
        diastolic=diastolic,
        hepatic=_class(hepatic),
        history=_names(history),
        taking=_names(taking),
        arranged=_names(arranged) or frozenset(),
        food_min=_minutes("--food", food),
        liquid_min=_minutes("--liquid", liquid),
        nasal_min=_minutes("--nasal", nasal),
        observation_min=_minutes("--watched", watched),
        pressure_min=_minutes("--pressure-at", pressure_at),
        push_s=None if push is None else 60.0 * (_minutes("--push", push) or 0.0),
        benefit=benefit,
    )
    doses = parse_regimen(regimen)
    findings = check_regimen(doses, facts)
    unused = _unused(findings, facts)
    if as_json:
        write_json(
            {
                "regimen": doses.text,
                "counts": _counts(findings),
                "findings": [{**vars(found), "citation": _cited(found.source)} for found in findings],
                "notes": [*unused, _NOTE],
            }
        )
    else:
        _show(doses.text, findings, unused)
    if strict and any(found.verdict == "fail" for found in findings):
        raise typer.Exit(1)


def _show(text: str, findings: list[Finding], unused: list[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    screen = output()
    screen.print(Text(text), soft_wrap=True)
    if not findings:
        screen.print("No dose holds ketamine, esketamine or arketamine: there is no rule to apply.")
    else:
        shown = sorted(findings, key=lambda found: _ORDER.index(found.verdict))
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("verdict", "rule", "finding", "source"):
            table.add_column(name, overflow="fold")
        for found in shown:
            verdict = Text(found.verdict, style=_COLOURS[found.verdict])
            table.add_row(verdict, Text(found.title), Text(found.message), Text(found.source))
        screen.print(table)
        counts = _counts(findings)
        screen.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) + ".")
        for key in dict.fromkeys(found.source for found in findings):
            screen.print(Text(f"{key}: {_cited(key)}"), soft_wrap=True)
    for note in (*unused, _NOTE):
        screen.print(note, soft_wrap=True)


def _counts(findings: list[Finding]) -> dict[str, int]:
    return {verdict: sum(found.verdict == verdict for found in findings) for verdict in _ORDER}


def _unused(findings: list[Finding], facts: PersonFacts) -> list[str]:
    """What was told and no rule has asked for."""
    asked = {found.rule for found in findings}
    told = facts.systolic is not None or facts.diastolic is not None
    if told and not asked & {"label_pre_sbp", "label_pre_dbp"}:
        return [
            "Blood pressure was told but no rule used it: no source that was read has a limit for this route."
        ]
    return []


def _cited(key: str) -> str:
    from ketasim.evidence import citation_text

    return citation_text(key)


def _measured(option: str, text: str | None, unit: str) -> float | None:
    from ketasim.units import parse_quantity

    return None if text is None else parse_quantity(text, unit, option)


def _minutes(option: str, text: str | None) -> float | None:
    from ketasim.units import parse_duration

    return None if text is None else 60.0 * parse_duration(text, option)


def _class(text: str | None) -> str | None:
    return None if text is None else text.lower() if text.lower() == "none" else text.upper()


def _names(texts: list[str] | None) -> frozenset[str] | None:
    """Names that are joined by commas; an empty set for ``none``, None if nothing was told."""
    if texts is None:
        return None
    parts = [part.strip().lower() for text in texts for part in text.split(",")]
    return frozenset(part.replace("-", "_").replace(" ", "_") for part in parts if part not in ("", "none"))
