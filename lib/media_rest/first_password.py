"""The administrator's password of a server that was given none.

A server that others can reach must not have a password that everybody knows, nor none: one is made
at the first start, kept in a file that only the server's user can read, and told once.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from media_api.files import write_file

LOGIN = "admin"
FILE_NAME = "first_password"
LEAST_CHARACTERS = 8
"""What is shorter is the rest of a file that was cut, and soon guessed."""
_BYTES = 15  # 20 characters, 120 bits: no number of guesses finds it


@dataclass(frozen=True, slots=True)
class FirstPassword:
    """`is_new`: made just now, so nobody was told it yet."""

    password: str = field(repr=False)
    path: Path
    is_new: bool

    def told(self) -> str:
        """The line for the person who started the server; the password is in the first one only."""
        if self.is_new:
            return f"log in as {LOGIN} with the password {self.password} (kept in {self.path})"
        return f"log in as {LOGIN} with the password in {self.path}"


def first_password(directory: Path) -> FirstPassword:
    """The password kept in `directory`, made if there is none. Raises OSError."""
    path = directory / FILE_NAME
    try:
        password = path.read_text(encoding="utf-8").strip()
        if len(password) >= LEAST_CHARACTERS and password.isprintable():
            return FirstPassword(password, path, is_new=False)
    except UnicodeDecodeError:
        pass  # damaged: nobody can know that password
    except FileNotFoundError:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = secrets.token_urlsafe(_BYTES)
    write_file(path, f"{password}\n", new_mode=0o600)
    return FirstPassword(password, path, is_new=True)
