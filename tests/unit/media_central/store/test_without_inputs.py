"""What a stream says of which no input is opened."""

import pytest
from media_central.store.kubernetes.status import without_inputs


def stream(*conditions):
    return {"status": {"conditions": list(conditions)}}


REFUSED = {
    "type": "CredentialsResolved", "status": "False", "reason": "SecretNotFound",
    "message": "there is no Secret cam",
}  # fmt: skip


@pytest.mark.parametrize(
    "live", [{}, stream(), stream({**REFUSED, "status": "True"})], ids=["new", "none", "resolved"]
)
def test_one_without_inputs_says_so(live):
    assert without_inputs(live) == ("False", "NoInput", "it has no inputs: nothing can come")


def test_one_whose_credentials_are_missing_repeats_what_is_wrong_with_them():
    status, reason, message = without_inputs(stream(REFUSED))
    assert (status, reason) == ("False", "CredentialsMissing")
    assert message == "its input is not opened: there is no Secret cam"
