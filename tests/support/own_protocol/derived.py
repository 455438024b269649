"""Prints what the programs know of the protocols, as JSON: run in a process of its own."""

import json

from media_api import crd
from media_api.play_urls import play_urls
from media_api.protocols import readme
from media_api.server import ServerConfig
from media_api.unsupported import unsupported_parts
from media_central.settings import load_settings
from media_operator.render.common import service_ports
from media_streamer.config.binder import parse
from media_streamer.config.environment import apply_environment
from media_streamer.egress.http.mount import path_forms
from media_streamer.supervisor.listeners import listener_specs, port_of

TEXT = """
lines 127.0.0.1:7070;
stream s {
  input lines://here;
  protocols -lines;
  push weblines://there;
}
"""


def main() -> None:
    parsed = parse(TEXT)
    stream = parsed.config.streams[0]
    from_environment = ServerConfig()
    assert apply_environment(from_environment, {"STREAMER_LINES": "7079"}) == []
    assert from_environment.listeners is not None
    switches = crd.stream_spec()["properties"]["protocols"]["properties"]
    specs = listener_specs(parsed.config.listeners, crd.DIRECTORY)
    found = path_forms().find("a/b/lines")
    print(
        json.dumps(
            {
                "problems": [str(problem) for problem in (*parsed.errors, *parsed.warnings)],
                "unsupported": unsupported_parts(parsed.config),
                "listens": [str(port_of(spec)) for spec in specs],
                "environment": from_environment.listeners.first_ports(),
                "denied": sorted(stream.protocols.denied() if stream.protocols else ()),
                "urls": {one.form: one.url for one in play_urls("s", "http://h", {"lines": 7070})},
                "route": found.name if found else None,
                "service": service_ports(),
                "trial": load_settings(None, {}).settings.streamer_ports,
                "readme": readme.render(readme.README.read_text(encoding="utf-8")),
                "resources": "lines" in switches,
            }
        )
    )


main()
