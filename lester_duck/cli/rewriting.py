"""``lester-duck rewrite`` and ``lester-duck verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lester_duck.cli.asking import asking_options, person
from lester_duck.cli.command import Command, assignments, json_option
from lester_duck.cli.output import emit, progress
from lester_duck.errors import Disagreement, InputError, Unsupported, UsageError
from lester_duck.pipeline import codec

REPORT = "REWRITE.md"
ANSWERS = "answers"
MUTANTS = click.option(
    "--mutants",
    default="50",
    show_default=True,
    metavar="N|all|none",
    help="Mistakes put into the pipeline on purpose, to see how many the comparison notices; survivors are listed.",
)
SECONDS = click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    metavar="N",
    help="What inputs made from the code and mutants may take together.  [default: 58, with --mutants all 900]",
)
TRUST = click.option("--trust", is_flag=True, help="Run the original without a sandbox: network, files, environment.")


@click.command(
    cls=Command,
    examples=(
        "lester-duck rewrite script.py -o creditcard/",
        "lester-duck rewrite script.py -o creditcard/ --key customers=customer_id --key mails=mail_id",
        "lester-duck rewrite old.py -o old/ --python /opt/old-pandas/bin/python --engine static",
        "lester-duck rewrite notebook.ipynb -o churn/ --order executed",
        "lester-duck rewrite hard.py -o hard/ --engine llm --model qwen3-coder --base-url http://localhost:11434/v1",
        "lester-duck rewrite hard.py -o hard/ --model gpt-5 --max-tokens 60000",
        "lester-duck rewrite hard.py -o hard/ --resume --max-tokens 120000",
        "lester-duck rewrite hard.py -o hard/ --engine files",
        "lester-duck rewrite hard.py -o hard/ --model gpt-5 --chat",
        "lester-duck rewrite hard.py -o again/ --model gpt-5 --answers hard/decisions.toml",
    ),
)
@click.argument("script", type=click.Path(dir_okay=False))
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False), help="The pipeline folder to write.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "static", "llm", "files"]),
    default="auto",
    show_default=True,
    help="static: the built-in translator; llm: a model; auto: the model for what the translator refuses; "
    "files: write the request to a folder and read the answer from it.",
)
@click.option("--python", metavar="PATH", help="Interpreter that runs the original.  [default: this one]")
@asking_options
@click.option("--key", "keys", multiple=True, metavar="SOURCE=COLUMN[,COLUMN]", help="The columns that name a row.")
@click.option(
    "--order",
    type=click.Choice(["document", "executed"]),
    help="Cells of a notebook as they stand, or as they were last executed.  [default: document]",
)
@TRUST
@MUTANTS
@SECONDS
@click.option("--force", is_flag=True, help="Replace the pipeline in the folder.")
@json_option
def rewrite(
    script: str,
    output: str,
    engine: str,
    python: str | None,
    keys: tuple[str, ...],
    order: str | None,
    trust: bool,
    mutants: str,
    seconds: float | None,
    force: bool,
    chat: bool,
    answers: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Rewrite SCRIPT (.py or .ipynb) into a pipeline folder, judged by running both.

    Exits with 0 when they agreed, 3 when they differ, 4 when a step could not be translated.
    """
    from lester_duck import api
    from lester_duck.rewrite.rewrite import save

    folder = Path(output)
    if not Path(script).is_file():
        raise InputError(f"no file '{script}'")
    if (folder / codec.MANIFEST).exists() and not (force or options["resume"]):
        raise InputError(f"'{output}' holds a pipeline already", hint="give another folder, or --force")
    named = {name: tuple(columns.split(",")) for name, columns in assignments("--key", keys).items()}
    with progress(f"running {script}") as shown:
        result = api.rewrite(
            script, engine=engine, python=python, keys=named, order=order, trust=trust, mutants=mutants,
            seconds=seconds, log=folder / ANSWERS,
            person=person(chat, answers, shown.pause), folder=folder, progress=shown, **options,
        )  # fmt: skip
    save(result, folder)
    facts = facts_of(result, folder)
    emit(facts, text_of(facts), as_json)
    refuse(result, folder)


@click.command(
    cls=Command,
    examples=(
        "lester-duck verify creditcard/ --script script.py",
        "lester-duck verify creditcard/ --mutants all --json",
        "lester-duck verify creditcard/ --changed new-data/",
        "lester-duck verify creditcard/ --random-edits 10 --seed 1",
    ),
)
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--script", type=click.Path(dir_okay=False), help="The original.  [default: the one rewritten]")
@click.option("--python", metavar="PATH", help="Interpreter that runs the original.  [default: this one]")
@click.option(
    "--order",
    type=click.Choice(["document", "executed"]),
    help="Cells of a notebook as they stand, or as they were last executed.  [default: as rewritten]",
)
@TRUST
@MUTANTS
@SECONDS
@click.option(
    "--changed",
    type=click.Path(file_okay=False),
    metavar="DATA",
    help="Rerun the original on the changed files in this folder; compare with a store updated by the difference.",
)
@click.option(
    "--random-edits", type=click.IntRange(min=1), metavar="N", help="The same after each of N random edits of the data."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random edits.")
@json_option
def verify(
    folder: str,
    script: str | None,
    python: str | None,
    order: str | None,
    trust: bool,
    mutants: str,
    seconds: float | None,
    changed: str | None,
    random_edits: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Compare the pipeline in FOLDER with its original again, for instance after an edit by hand.

    Exits with 0 when they agree and with 3 when they differ, naming the first view that does.
    """
    from lester_duck import api

    if changed is not None and random_edits is not None:
        raise UsageError("--changed and --random-edits exclude each other", hint="give one of them")
    if changed is not None or random_edits is not None:
        with progress(f"verifying {folder}") as shown:
            found = api.verify_changed(
                folder, script=script, python=python, changed=changed, random_edits=random_edits or 0, seed=seed,
                order=order, trust=trust, progress=shown,
            )  # fmt: skip
        emit(changed_facts(found, folder), changed_text(found), as_json)
        found.raise_if_different()
        return
    with progress(f"verifying {folder}") as shown:
        result = api.verify(
            folder, script=script, python=python, order=order, trust=trust, mutants=mutants, seconds=seconds,
            progress=shown,
        )  # fmt: skip
    facts = facts_of(result, Path(folder))
    emit(facts, text_of(facts), as_json)
    refuse(result, Path(folder))


def changed_facts(found: Any, folder: str) -> dict[str, Any]:
    """What a machine is told about a store updated beside its original."""
    steps = [
        {
            "change": s.name,
            "rows": {"inserted": s.rows[0], "deleted": s.rows[1], "updated": s.rows[2]},
            "compared": list(s.compared),
            "difference": s.difference or None,
            "refused": s.refused or None,
            "refused_by_pipeline_only": s.stricter,
        }
        for s in found.steps
    ]
    return {"folder": folder, "status": found.status, "shuffle": found.shuffle or None, "changes": steps}


def changed_text(found: Any) -> str:
    """The same for a terminal."""
    lines = []
    for step in found.steps:
        what = f"differs: {step.difference}" if step.difference else f"agrees at {len(step.compared)} points"
        if step.refused:
            who = "the pipeline only" if step.stricter else "original and pipeline alike"
            what = f"refused by {who}: {step.refused}"
        inserted, deleted, updated = step.rows
        lines.append(f"{step.name} ({inserted} inserted, {deleted} deleted, {updated} updated): {what}")
    return "\n".join([*lines, str(found)])


def facts_of(result: Any, folder: Path) -> dict[str, Any]:
    """What a person or a machine is told about a rewrite."""
    return {
        "folder": str(folder),
        "verdict": str(result.verdict) if result.verdict is not None else None,
        "refusals": [str(refusal) for refusal in result.refusals],
        "suspicions": [str(suspicion) for suspicion in result.suspicions],
        "warnings": list(result.notes),
        "mutants": described(result.mutants),
        "stopped": result.stopped or None,
        "tokens": sum(e.prompt_tokens + e.completion_tokens for e in result.exchanges),
        "report": str(folder / REPORT),
    }


def described(outcome: Any) -> dict[str, Any] | None:
    """The mutants, or None when none were tried."""
    from lester_duck.rewrite.mutants import describe

    return describe(outcome) if outcome is not None else None


def text_of(facts: dict[str, Any]) -> str:
    """The same for a terminal."""
    lines = [f"verdict: {facts['verdict'] or 'none, nothing could be compared'}"]
    lines += [f"refused: {line}" for line in facts["refusals"]]
    lines += [f"suspicion: {line}" for line in facts["suspicions"]]
    lines += [f"warning: {line}" for line in facts["warnings"]]
    survivors = (facts["mutants"] or {}).get("survivors", [])
    lines += [f"mutant survives: {m['place']}: {m['operator']}: {m['before']} -> {m['after']}" for m in survivors]
    return "\n".join([*lines, f"report: {facts['report']}"])


def refuse(result: Any, folder: Path) -> None:
    """Raise what the exit code has to say about a rewrite that did not agree."""
    if result.stopped and not (result.verdict and result.verdict.agreed):
        raise InputError(result.stopped, hint=f"what was answered is kept in {folder / ANSWERS}; --resume goes on")
    if result.refusals:
        raise Unsupported(
            f"{len(result.refusals)} step(s) could not be translated; first: {result.refusals[0]}",
            hint=f"see {folder / REPORT}; --engine llm asks a model for these lines",
        )
    if result.verdict is None:
        what = "nothing was proposed" if result.pipeline is None else "the proposal could not be judged"
        raise Unsupported(f"{what}: {result.problem or 'no reason given'}", hint=f"see {folder / REPORT}")
    if result.verdict.status != "agreed":
        raise Disagreement(f"the rewrite is not seen to agree: {result.verdict}", hint=f"see {folder / REPORT}")
