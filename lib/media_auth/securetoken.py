"""`securetoken://SECRET`: a link that its maker signed.

token = HASH-SALT-END-START; HASH = sha1(NAME + IP + START + END + SECRET + SALT [+ USER_ID]) in
lower-case hex, times in Unix seconds. `no_check_ip=true` in the query leaves IP empty;
`remote=no_check_ip` does so, too, or puts that word in place of IP, as makers of links do. The sha1
is fixed by them.
"""

import hashlib
import hmac
from itertools import product
from urllib.parse import parse_qs

from media_auth.verdict import Question, Verdict, allow, deny

MAX_TIME_DIGITS = 12
ANY_ADDRESS = "no_check_ip"


def token_hash(
    name: str, ip: str, start: str, end: str, secret: str, salt: str, user_id: str = ""
) -> str:
    """Lower-case hex sha1 of the parts."""
    text = name + ip + start + end + secret + salt + user_id
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def make_token(name: str, ip: str, start: int, end: int, secret: str, salt: str) -> str:
    """A token, as the maker of links does it."""
    return f"{token_hash(name, ip, str(start), str(end), secret, salt)}-{salt}-{end}-{start}"


def check(question: Question, secret: str, now: float) -> Verdict:
    """`now` is Unix seconds. The decision holds until the token ends."""
    parts = question.token.split("-")
    if len(parts) != 4:
        return deny("bad_token", "The token must be HASH-SALT-END-START")
    given, salt, end, start = parts
    if not (_is_time(start) and _is_time(end)):
        return deny("bad_token", "START and END of the token must be Unix seconds")
    if not secret:
        return deny("auth_not_supported", "securetoken:// lacks a secret: write one behind it")
    query = parse_qs(question.qs)
    user_id = (query.get("user_id") or [""])[0]
    for user, ip in product(dict.fromkeys((user_id, "")), _addresses(query, question.ip)):
        expected = token_hash(question.name, ip, start, end, secret, salt, user)
        if hmac.compare_digest(given.encode(), expected.encode()):
            break
    else:
        return deny("bad_token", "The token is not valid for this stream and address")
    if now < int(start):
        return deny("token_not_yet_valid", "The token is not valid yet: check the clocks")
    if now >= int(end):
        return deny("token_expired", "The token has expired")
    return allow(user_id=user, auth_seconds=int(end) - now)


def _addresses(query: dict[str, list[str]], ip: str) -> tuple[str, ...]:
    """What may stand for IP in the hash."""
    if query.get("remote") == [ANY_ADDRESS]:
        return "", ANY_ADDRESS
    return ("",) if query.get("no_check_ip") == ["true"] else (ip,)


def _is_time(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_TIME_DIGITS
