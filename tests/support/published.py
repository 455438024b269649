"""The operations that clients of Central know, and how strictly they read the answers.

Names, methods and paths are those of the published API. Clients are made from it in languages that
do not convert: 1.0 is no integer, and a number is no text.
"""

from dataclasses import dataclass
from typing import Any

from media_api.base import ApiModel

_LINES = """
agent_delete                    DELETE /agents/{}
agent_disconnect                POST   /agents/{}/disconnect
agent_get                       GET    /agents/{}
agent_logs_get                  GET    /agents/{}/logs
agent_reboot                    POST   /agents/{}/reboot
agent_reset                     POST   /agents/{}/reset
agent_save                      PUT    /agents/{}
agents_list                     GET    /agents
api_token_get                   GET    /api_tokens/{}
api_token_save                  PUT    /api_tokens/{}
api_tokens_list                 GET    /api_tokens
auth_backend_delete             DELETE /auth_backends/{}
auth_backend_get                GET    /auth_backends/{}
auth_backend_save               PUT    /auth_backends/{}
auth_backends_list              GET    /auth_backends
auth_request                    GET    /auth
batch_stream_layout_preview     POST   /streams/preview_layout_change
batch_streamer_layout_preview   POST   /streamers/preview_layout_change
batch_update_agents_layouts     POST   /agents/layouts
batch_update_streams_layouts    POST   /streams/layouts
central_events_list             GET    /events
cluster_stats_get               GET    /cluster/stats
config_get                      GET    /config
config_save                     PUT    /config
dvrs_list                       GET    /dvrs
episode_delete                  DELETE /episodes/{}
episode_get                     GET    /episodes/{}
episode_save                    PUT    /episodes/{}
episodes_list                   GET    /episodes
external_episodes_list          GET    /streamers/{}/episodes
liveness_probe                  GET    /monitoring/liveness
load_balancer_delete            DELETE /load-balancers/{}
load_balancer_get               GET    /load-balancers/{}
load_balancer_save              PUT    /load-balancers/{}
load_balancers_list             GET    /load-balancers
person_delete                   DELETE /persons/{}
person_get                      GET    /persons/{}
person_save                     PUT    /persons/{}
persons_list                    GET    /persons
stream_layout_preview           POST   /streams/{}/preview_layout_change
streamer_layout_preview         POST   /streamers/{}/preview_layout_change
readiness_probe                 GET    /monitoring/readiness
srt_port_resolve                GET    /streamers/{}/srt_port_resolve/{}
stream_delete                   DELETE /streams/{}
stream_get                      GET    /streams/{}
stream_layouts_get              GET    /streams/{}/layouts
stream_save                     PUT    /streams/{}
streamer_delete                 DELETE /streamers/{}
streamer_dynamic_streams_list   GET    /streamers/{}/dynamic-streams
streamer_get                    GET    /streamers/{}
streamer_save                   PUT    /streamers/{}
streamer_streams_list           GET    /streamers/{}/streams
streamer_update_streams_list    GET    /streamers/{}/update-streams
streamers_batch_update          PUT    /streamers/batch
streamers_list                  GET    /streamers
streaming_lb_playback           GET    /lb/{}/{}/{}
streaming_lb_publish            POST   /lb/{}/{}/{}
streams_batch_update            PUT    /streams/batch
streams_list                    GET    /streams
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` with {} for each name in it."""

    name: str
    method: str
    path: str


OPERATIONS = {
    name: Operation(name, method, path)
    for name, method, path in (line.split() for line in _LINES.strip().splitlines())
}


def decode(model: type[ApiModel], answer: Any, collection: str = "") -> None:
    """Reads an answer as a strict client does. Raises ValueError (pydantic's among them)."""
    items = [answer]
    if collection:
        count = answer.get("estimated_count")
        if type(count) is not int or any(
            not isinstance(answer.get(key), str | None) for key in ("next", "prev")
        ):
            raise ValueError("that is no collection")
        items = answer[collection]
    for item in items:
        model.model_validate(item, strict=True)
        _times_are_whole(item)


def _times_are_whole(value: Any, key: str = "") -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _times_are_whole(item, name)
    elif isinstance(value, list):
        for item in value:
            _times_are_whole(item, key)
    elif key.endswith(("_at", "utc_ms")) and type(value) is not int:
        raise ValueError(f"{key} is {value!r}, not a whole number")
