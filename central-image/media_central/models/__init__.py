"""The shapes of Central's API: what it takes, keeps and answers.

`resources` are streams and streamers with their placement; the other modules are one topic each.
Names and types are those that clients of Central know; what they do not know is said there.
"""

from media_central.models.resources import (
    PLACEMENT_FIELDS as PLACEMENT_FIELDS,
)
from media_central.models.resources import (
    CentralStream as CentralStream,
)
from media_central.models.resources import (
    CentralStreamer as CentralStreamer,
)
from media_central.models.resources import (
    CentralStreamerState as CentralStreamerState,
)
from media_central.models.resources import (
    CentralStreamState as CentralStreamState,
)
from media_central.models.resources import (
    Layout as Layout,
)
