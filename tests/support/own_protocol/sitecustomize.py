"""With this folder in PYTHONPATH every process of ours has one protocol more.

It is what README.md of `media_streamer/protocols` asks for: one row, one folder, nothing else.
Python imports `sitecustomize` at its start, before anything has read the table.
"""

from pathlib import Path

from media_api.protocols.row import Form, Listener, Protocol, Role
from media_api.protocols.table import ROWS
from media_streamer import protocols

ROWS.append(
    Protocol(
        name="lines",
        title="Lines",
        switch="lines",
        transport="own",
        listeners=(Listener("lines", "Lines", 7070, unprivileged=7071),),
        carrier="ts",
        play=Role(forms=(Form("lines", "Lines", "/watch/{name}"),)),
        pull=Role(schemes=("lines",)),
    )
)
ROWS.append(
    Protocol(
        name="weblines",
        title="Lines over HTTP",
        folder="lines",
        switch="weblines",
        transport="http",
        carrier="ts",
        play=Role(forms=(Form("weblines", "Lines over HTTP", "/{name}/lines"),)),
        push=Role(schemes=("weblines",), missing="not served: nobody asked for it"),
    )
)
protocols.__path__.append(str(Path(__file__).parent))
