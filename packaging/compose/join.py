"""Tells Central of a streamer: `PUT /streamers/NAME`, as often as it is run.

Environment: CENTRAL, API_KEY; NAME and CLUSTER_KEY of the streamer, its address for Central
(STREAMER) and for viewers (PUBLIC). Python alone, so that it runs in our images.
"""

import json
import os
import urllib.request

SECONDS = 20


def main() -> None:
    env = os.environ
    request = urllib.request.Request(
        f"{env['CENTRAL']}/streamer/api/v3/streamers/{env['NAME']}",
        method="PUT",
        headers={
            "Authorization": f"Bearer {env['API_KEY']}",
            "Content-Type": "application/json",
        },
        data=json.dumps(
            {
                "api_url": env["STREAMER"],
                "public_payload_url": env["PUBLIC"],
                "cluster_key": env["CLUSTER_KEY"],
            }
        ).encode(),
    )
    with urllib.request.urlopen(request, timeout=SECONDS):
        print(f"Central knows the streamer {env['NAME']} at {env['STREAMER']}.")


if __name__ == "__main__":
    main()
