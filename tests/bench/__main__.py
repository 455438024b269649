"""`python -m tests.bench [NAME …]`: run the benchmarks (all, or those named) and print a table."""

import importlib
import os
import pkgutil
import platform
import sys
import traceback
from pathlib import Path

import tests.bench
from tests.bench.figure import Figure, Skipped

HIDDEN = {"figure", "__main__"}


def main() -> int:
    known = [m.name for m in pkgutil.iter_modules(tests.bench.__path__) if m.name not in HIDDEN]
    known = [name for name in known if not name.startswith("_")]
    chosen = sys.argv[1:] or known
    unknown = set(chosen) - set(known)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        return 2
    print(f"{os.cpu_count()} cores ({_cpu()}), Python {platform.python_version()}")
    # Programs are compiled where they are installed: a start that compiles what it imports, again
    # and again, is no figure of theirs.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    failed = 0
    for name in chosen:
        module = importlib.import_module(f"tests.bench.{name}")
        print(f"\n{name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
        try:
            figures: list[Figure] = module.run()
        except Skipped as reason:
            print(f"  skipped: {reason}", flush=True)
            continue
        except Exception:  # the others are still wanted
            traceback.print_exc()
            failed += 1
            continue
        for figure in figures:
            print("  " + figure.row(), flush=True)
    return 1 if failed else 0


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "?")


if __name__ == "__main__":
    sys.exit(main())
