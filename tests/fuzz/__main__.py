"""`python -m tests.fuzz [--seconds N] [--seed S] [TARGET…]`: tries made-up bytes on every reader.

Each finding is stored in the corpus, where the unit tests try it again, and makes the exit status
1. `--collect N` stores the N shortest inputs that found a new way, too.
"""

import argparse
import logging
import sys
import time

from tests.fuzz.engine import fuzz, store
from tests.fuzz.targets import all_targets


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--collect", type=int, default=0, help="inputs a target to store")
    parser.add_argument("targets", nargs="*", help="names; by default all")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = 0
    with all_targets() as targets:
        known = [target.name for target in targets]
        if unknown := set(options.targets) - set(known):
            parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        chosen = [t for t in targets if not options.targets or t.name in options.targets]
        print(f"seed {options.seed}, {options.seconds / len(chosen):.1f} s a target")
        for target in chosen:
            report = fuzz(target, options.seed, seconds=options.seconds / len(chosen))
            print(
                f"{target.name:20} {report.rounds:8} inputs {report.ways:5} ways"
                f"   slowest {report.slowest * 1000:6.1f} ms   {len(report.findings)} findings"
            )
            for data in sorted(report.fresh, key=len)[: options.collect]:
                store(target.name, data)
            for finding in report.findings:
                found += 1
                print(f"\n{store(target.name, finding.data)}: {finding.what}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
