"""What the trial keeps beside its database: generated keys, in a file that only its user can read.

They are made once, so that a streamer that was connected stays connected after a restart.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

KEY_BYTES = 24  # 192 bits; URL-safe text, because the API key becomes part of a URL


@dataclass(frozen=True, slots=True)
class TrialKeys:
    """`api_key`: streamers to Central; `cluster_key`: Central to its local streamer."""

    api_key: str
    cluster_key: str


def trial_keys(directory: Path) -> TrialKeys:
    """The keys kept in `directory`, made at the first call. Raises OSError, ValueError."""
    path = directory / "keys.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return TrialKeys(str(kept["api_key"]), str(kept["cluster_key"]))
    except FileNotFoundError:
        pass
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it, new keys are made") from None
    keys = TrialKeys(secrets.token_urlsafe(KEY_BYTES), secrets.token_urlsafe(KEY_BYTES))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(keys), file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    return keys
