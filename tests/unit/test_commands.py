"""Every command that a page tells people to type is run by a test, or it is said why none does.

Blocks `sh tested` and `sh background` are run as they stand (integration/docs/test_commands.py);
for the others this table names the test that does the same.
"""

import io
import re
import subprocess
from pathlib import Path

import pytest
from media_streamer.config.check import check

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "*/README.md")
    for page in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^```sh\n(.+)\n", re.MULTILINE)
"""The first line of a block that is not run as it stands."""
BY_HAND = "by hand before each release"
END_TO_END = "integration/media_central/test_end_to_end.py"
DOCUMENTED = "integration/docs/test_commands.py::test_commands_of_a_page_work"
KUBERNETES = "integration/manifests/test_page.py::test_the_commands_of_the_page"
ELSEWHERE = {
    "CONTRIBUTING.md": {"make check ": "what runs before this"},
    "README.md": {
        "make run": f"{END_TO_END}::test_the_documented_curl_gives_a_stream_that_plays",
        "curl --request PUT": f"{END_TO_END}::test_the_documented_curl_gives_a_stream_that_plays",
        "curl -u admin:admin -X PUT": "browser/test_publish.py::test_published_footage_is_watched",
        "python3 -m venv venv": "unit/test_commands.py::test_the_file_of_the_readme_is_right",
        "curl -u admin:secret -X PUT": (
            "integration/media_central/test_streamers.py::"
            "test_a_stream_runs_on_the_connected_streamer"
        ),
        "make test ": "what runs this",
    },
    "docs/how-to/compose.md": {
        "packaging/compose/secrets.sh": "unit/test_commands.py::test_secrets_of_compose",
    },
    "docs/how-to/debian.md": {
        "make packages": f"minutes, and a root with systemd: {BY_HAND}",
    },
    "docs/how-to/interface.md": {
        "curl -u admin:secret -X PUT": (
            "integration/media_central/test_access.py::test_the_key_is_answered_once_and_kept_hashed"
        ),
    },
    "docs/how-to/monitoring.md": {
        "cp packaging": "unit/test_monitoring.py::test_the_files_lie_where_the_page_puts_them",
    },
    "docs/index.md": {
        "streamer -c flussonic.conf": DOCUMENTED,
    },
    "docs/kubernetes.md": dict.fromkeys(("mkdir", "kubectl", "install"), KUBERNETES),
    "docs/production.md": {
        "pg_dump": (
            "integration/media_central/test_backup.py::test_a_dump_is_restored_and_goes_on"
        ),
    },
    "docs/troubleshooting.md": {
        "curl -s -u admin:secret": (
            "integration/media_central/test_streamers.py::test_health_names_the_wrong_cluster_key"
        ),
    },
    "manifests/README.md": dict.fromkeys(("kubectl",), KUBERNETES),
    "tests/README.md": {"make test ": "what runs this"},
}


def found_in(page: Path) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_is_run_somewhere(page: Path) -> None:
    known = ELSEWHERE.get(str(page), {})
    unused = set(known)
    for line in found_in(page):
        told = [first for first in known if line.startswith(first)]
        assert told, f"`{line}` is run by no test: mark its block `sh tested`, or tell which one"
        unused -= set(told)
    assert not unused


@pytest.mark.parametrize(
    "test", sorted({one for page in ELSEWHERE.values() for one in page.values() if "::" in one})
)
def test_what_is_named_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    text = (ROOT / "tests" / path).read_text(encoding="utf-8")
    assert re.search(rf"def {name}\(", text)


def test_the_file_of_the_readme_is_right(tmp_path: Path) -> None:
    """What is behind it, the installation with pip, is what every other test stands on."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (config,) = re.findall(r"^cat > flussonic.conf <<'END'\n(.*?)^END$", text, re.M | re.S)
    path, out = tmp_path / "flussonic.conf", io.StringIO()
    path.write_text(config)
    assert check(path, {}, out) == 0, out.getvalue()
    assert out.getvalue().endswith(": ok, 1 stream\n")


def test_secrets_of_compose() -> None:
    """All that the services ask for, and others at each call."""
    asked = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    made = []
    for _ in range(2):
        done = subprocess.run(
            ["packaging/compose/secrets.sh"],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=20,
        )  # fmt: skip
        made.append(dict(line.split("=", 1) for line in done.stdout.splitlines()))
    assert asked <= set(made[0])
    assert all(len(value) >= 32 for value in made[0].values())
    assert not set(made[0].values()) & set(made[1].values())
