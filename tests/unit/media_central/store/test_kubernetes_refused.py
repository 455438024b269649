"""What the API server refuses, as those hear it who wrote something."""

import pytest
from media_central.store.kubernetes.secret import store_error
from media_central.store.port import InvalidResourceError, StoreUnavailableError
from media_kube.errors import KubeError

WEBHOOK = 'admission webhook "streams.test" denied the request: no names in capitals'


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, WEBHOOK),
        (403, WEBHOOK),
        (422, WEBHOOK),
        (403, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: at most 10 inputs"),
        (403, 'streams "a" is forbidden: exceeded quota: streams, used: 5, limited: 5'),
    ],
)
def test_who_is_denied_for_what_it_says_hears_the_words(status: int, message: str) -> None:
    error = store_error(KubeError(status, "Forbidden", message))
    assert isinstance(error, InvalidResourceError)
    assert message in str(error)


@pytest.mark.parametrize(
    ("status", "message"),
    [(403, 'User "central" cannot patch resource "streams"'), (500, WEBHOOK), (503, WEBHOOK)],
)
def test_who_has_no_right_or_is_denied_by_another_code_is_to_try_later(
    status: int, message: str
) -> None:
    assert isinstance(store_error(KubeError(status, "", message)), StoreUnavailableError)
