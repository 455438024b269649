"""Bodies of JSON that no program writes; `{}` stands for what the object has else."""

import json


def _object(key: str, text: str) -> bytes:
    return f'{{"inputs": [{{"url": "fake://fake"}}], "{key}": {text}}}'.encode()


REFUSED = {
    "1,000 levels": _object("labels", '{"a": ' * 1000 + "1" + "}" * 1000),
    "100,000 brackets": b"[" * 100_000,
    "an integer of 300 digits": _object("segment_duration", "9" * 300),
    "an integer of 4,000 digits": _object("segment_duration", "9" * 4000),
    "an integer of 100,000 digits": _object("x", "9" * 100_000),
    "beyond a float": _object("segment_duration", "1e999"),
    "beyond a float in what is not known": _object("x", "-1e999"),
    "NaN": _object("segment_duration", "NaN"),
    "NaN in what is not known": _object("x", "[1, NaN]"),
    "-Infinity": _object("clients_timeout", "-Infinity"),
    "a key twice": _object("title", '"a", "title": "b"'),
    "a key twice, deep": _object("labels", '{"a": "1", "a": "2"}'),
    "half a character": _object("title", '"\\ud800"'),
    "half a character as a key": _object("labels", '{"\\udfff": "a"}'),
    "100,000 inputs": json.dumps({"inputs": [{"url": "fake://fake"}] * 100_000}).encode(),
    "100,000 pushes": _object("pushes", json.dumps([{"url": "rtmp://h/x"}] * 100_000)),
    "100,000 labels": _object("labels", json.dumps({str(n): "x" for n in range(100_000)})),
    "cut off": b'{"title": "a',
    "two values": b"{} {}",
    "an array": b"[]",
    "no text": b"\xff\xfe\xfd",
}
