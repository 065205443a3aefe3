"""``python -m tests.fuzz``: fuzz the targets in turn, for so many seconds altogether."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz import engines

SHOWN_LINES = 40


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    commands = parser.add_subparsers(dest="command", required=True)
    every = commands.add_parser("all", help="fuzz the targets in turn")
    every.add_argument("--seconds", type=float, default=600.0, help="for all targets together")
    every.add_argument("--target", default="", help="only those whose names begin so")
    one = commands.add_parser("run", help="fuzz one target in this process")
    one.add_argument("target")
    one.add_argument("--seconds", type=float, default=60.0)
    for command in (every, one):
        command.add_argument("--engine", choices=("atheris", "hypothesis"), default=None)
    commands.add_parser("seeds", help="make the corpus's first inputs anew")
    chosen = parser.parse_args()
    if chosen.command == "run":
        engines.run_here(chosen.target, chosen.engine or engines.available(), chosen.seconds)
        return 0
    if chosen.command == "seeds":
        from tests.fuzz.seeds import write_seeds

        write_seeds()
        return 0
    every = engines.target_names()
    names = [name for name in every if name.startswith(chosen.target)]
    if not names:
        print(f"There is no target {chosen.target}. Targets: {', '.join(every)}.")
        return 2
    return fuzz_all(names, chosen.engine or engines.available(), chosen.seconds)


def fuzz_all(names: list[str], engine: str, seconds: float) -> int:
    """Fuzz targets one after the other; return the exit code."""
    each = seconds / len(names)
    how = {
        "atheris": "atheris, guided by coverage",
        "hypothesis": "hypothesis, by chance; atheris goes deeper where it is installed",
    }
    print(f"Engine: {how[engine]}. {len(names)} targets, {each:.0f} s each.", flush=True)
    results = []
    for name in names:
        done = engines.fuzz(name, engine, each)
        results.append(done)
        mark = "FAILED" if done.failed else "held"
        print(f"  {name:30} {done.executed:>10,} inputs {done.seconds:6.0f} s  {mark}", flush=True)
        if done.failed:
            print("\n".join(done.output.splitlines()[-SHOWN_LINES:]))
            for path in done.found:
                print(f"  Input: {path}")
    failed = [done.target for done in results if done.failed]
    total = sum(done.executed for done in results)
    print(
        f"{total:,} inputs; {len(failed)} of {len(names)} targets failed: {', '.join(failed) or '-'}"
    )
    if failed:
        print(
            "Mend the cause, and put the input into tests/fuzz/corpus/TARGET/ under a name that says what it is."
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
