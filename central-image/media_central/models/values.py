"""Types of values that clients of Central decode strictly: a time is an integer, not 1.7e12."""

from typing import Annotated

from pydantic import Field

UnixMilliseconds = Annotated[int, Field(ge=0, le=10**13)]
"""Unix time in ms."""
UnixSeconds = Annotated[int, Field(ge=0, le=10**10)]
"""Unix time in s."""
Number = Annotated[int, Field(ge=0, le=10**12)]
"""A count."""
Kilobits = Annotated[int, Field(ge=0, le=10**9, description="kbit/s.")]
