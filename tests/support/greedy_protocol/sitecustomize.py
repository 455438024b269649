"""With this folder in PYTHONPATH a streamer has sources that harm their media worker.

`greedy://grow` takes memory without end, `greedy://hang` stops the event loop; both show the test
picture before, and only while the file that is named behind `?` is there.
"""

from pathlib import Path

from media_api.protocols.row import Protocol, Role
from media_api.protocols.table import ROWS
from media_streamer import protocols

ROWS.append(
    Protocol(
        name="greedy",
        title="Greedy",
        switch="greedy",
        transport="own",
        pull=Role(schemes=("greedy",)),
    )
)
protocols.__path__.append(str(Path(__file__).parent))
