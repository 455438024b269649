import contextlib
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_central.setting_values import Login
from media_central.settings import Settings, load_settings
from media_central.settings_file import Setting, SettingsError, parse_settings


def settings_of(text: str, tmp_path, environ=None) -> Settings:
    path = tmp_path / "central.conf"
    path.write_text(text)
    return load_settings(path, environ or {}).settings


def problems_of(text: str, tmp_path, environ=None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings_of(text, tmp_path, environ)
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


BASE = "DATABASE_URL=postgres://central:pass@localhost:5432/central_dev\nAPI_KEY=key1\n"


@pytest.mark.parametrize(
    "line", ["HTTP_PORT=9020", "HTTP_PORT 9020", "http_port 9020;", 'HTTP_PORT = "9020"',
             "CENTRAL_HTTP_PORT=9020", "HTTP_PORT=9020 # the old one was taken"]
)  # fmt: skip
def test_every_spelling_of_a_line_is_read(line, tmp_path):
    assert settings_of(f"% old comment\n# comment\n\n{BASE}{line}\n", tmp_path).http_port == 9020


def test_the_environment_wins_over_the_file_and_an_empty_variable_is_not_set(tmp_path):
    text = BASE + "HTTP_PORT=9020\nLOG_LEVEL=debug\n"
    found = settings_of(text, tmp_path, {"HTTP_PORT": "9021", "LOG_LEVEL": ""})
    assert (found.http_port, found.log_level) == (9021, logging.DEBUG)


def test_the_prefixed_variable_wins_over_its_twin(tmp_path):
    found = settings_of(BASE, tmp_path, {"HTTP_PORT": "1", "CENTRAL_HTTP_PORT": "2"})
    assert found.http_port == 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("30000", 30), ("500ms", 0.5), ("2m", 120)]
)
def test_the_layouter_interval_is_milliseconds_without_a_unit(text, seconds, tmp_path):
    found = settings_of(f"{BASE}LAYOUTER_SLEEPING_INTERVAL={text}\n", tmp_path)
    assert found.layouter_sleeping_interval == seconds


@pytest.mark.parametrize("text", ["admin secret", "admin:secret", "  admin   secret  "])
def test_edit_auth_is_a_login_and_a_password(text, tmp_path):
    assert settings_of(f"{BASE}EDIT_AUTH={text}\n", tmp_path).login == Login("admin", "secret")


def test_a_password_may_hold_a_colon_and_spaces_are_no_part_of_it(tmp_path):
    found = settings_of(f"{BASE}EDIT_AUTH=admin a:b\n", tmp_path)
    assert found.login == Login("admin", "a:b")


def test_all_problems_are_told_at_once_with_their_places(tmp_path):
    text = BASE + "HTTP_PORT=70000\nEDIT_AUTH=admin\nDATABASE_URL=mysql://x\nLAYOUTER_ENABLED=2\n"
    problems = problems_of(text, tmp_path)
    assert [problem.split(" ")[0] for problem in sorted(problems)] == [
        "central.conf:3:", "central.conf:4:", "central.conf:5:", "central.conf:6:",
    ]  # fmt: skip
    assert "70000 is not within 1 to 65535" in problems[1] + problems[0] + problems[2]


def test_a_malformed_line_is_told_with_its_place(tmp_path):
    assert problems_of(BASE + "=x\n", tmp_path) == [
        "central.conf:3: expected NAME=value, found '=x'"
    ]


def test_secrets_are_not_in_the_representation(tmp_path):
    found = settings_of(BASE + "EDIT_AUTH=admin hidden1\n", tmp_path)
    assert "hidden1" not in repr(found)
    assert "key1" not in repr(found)
    assert "pass@" not in repr(found)


def test_an_unknown_name_is_reported_with_the_likely_one(tmp_path):
    path = tmp_path / "central.conf"
    path.write_text(BASE + "HTTP_PROT=1\nLICENSE_KEY=x\n")
    assert load_settings(path, {}).warnings == [
        f"{path}:3: unknown setting HTTP_PROT is ignored (did you mean HTTP_PORT?)"
    ]


def test_a_missing_file_is_an_error_only_if_it_was_named(tmp_path):
    assert load_settings(None, {}).settings.http_port == 9019
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "absent.conf", {})


def test_with_a_database_the_api_key_is_required(tmp_path):
    assert "API_KEY is required" in problems_of("DATABASE_URL=postgres://a:b@c/d\n", tmp_path)[0]


def test_https_needs_its_files(tmp_path):
    problems = problems_of(BASE + "HTTPS_PORT=9443\n", tmp_path)
    assert problems == ["central.conf:3: HTTPS_PORT needs SSL_CERTIFICATE and SSL_CERTIFICATE_KEY"]


def test_an_unreadable_certificate_is_told(tmp_path):
    problems = problems_of(BASE + "SSL_CERTIFICATE=/nowhere.pem\n", tmp_path)
    assert problems == [
        "central.conf:3: SSL_CERTIFICATE cannot read /nowhere.pem: No such file or directory"
    ]


def test_only_the_trial_has_a_default_login_and_stays_on_this_machine(tmp_path):
    trial = load_settings(None, {}).settings
    assert trial.login == Login("admin", "admin")
    assert trial.with_local_streamer
    assert trial.listen_address == "127.0.0.1"
    real = settings_of(BASE, tmp_path)
    assert real.login is None
    assert not real.trial
    assert real.listen_address is None
    assert load_settings(None, {"HTTP_ADDRESS": "0.0.0.0"}).settings.listen_address is None


@given(st.text())
def test_no_text_makes_the_parser_fail_otherwise_than_by_its_error(text):
    with contextlib.suppress(SettingsError):
        assert all(isinstance(setting, Setting) for setting in parse_settings(text, "f"))


@given(
    st.text(
        st.characters(
            codec="utf-8", exclude_characters="\"'#;%\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
        ),
        min_size=1,
    )
)
def test_a_plain_value_is_read_as_it_was_written(value):
    [setting] = parse_settings(f"API_KEY={value}", "f")
    assert setting.value == value.strip()
