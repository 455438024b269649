"""Changes of a list of inputs that is no longer as it was shown."""

import json
import shutil
import subprocess

import pytest
from media_web.assets import STATIC

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")

CHANGES = [
    ('without("abc", "b", 1)', "ac"),
    ('without("aba", "a", 1)', "ba"),
    ('without("aa", "a", 1)', "a"),
    ('without("aba", "a", 2)', "ab"),
    ('without("bc", "b", 1)', "c"),
    ('without("ac", "b", 1)', "ac"),
    ('moved("aba", "a", 2, -1)', "aab"),
    ('moved("bc", "c", 2, -1)', "cb"),
    ('moved("ab", "a", 0, -1)', "ab"),
    ('placeOf("bc", "b", 1)', 0),
    ('placeOf("ac", "b", 1)', -1),
    ('placeOf("a", null, 1)', -1),
]
"""Of inputs that are named by one letter each: what is left, or where it is."""


def test_a_change_finds_its_input_anew() -> None:
    calls = ",".join(call for call, _ in CHANGES)
    program = f"""
      const order = await import("{STATIC}/pages/stream/order.js");
      const of = (url) => ({{ url }});
      const named = (change) => (list, one, ...rest) => {{
        const found = change([...list].map(of), one && of(one), ...rest);
        return Array.isArray(found) ? found.map(({{ url }}) => url).join("") : found;
      }};
      const [without, moved, placeOf] = [order.without, order.moved, order.placeOf].map(named);
      console.log(JSON.stringify([{calls}]));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, check=True, timeout=30
    )
    assert json.loads(done.stdout) == [found for _, found in CHANGES]
