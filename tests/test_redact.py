"""Secrets are struck out, and nothing else is."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from stfw import redact as module
from stfw.config import conf_dir, groups
from stfw.redact import is_secret, learn, redact, redact_override, redact_text


@pytest.fixture(autouse=True)
def _forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_known", set())


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "data.db_passwd",
        "HF_TOKEN",
        "hf_token",
        "wandb.api_key",
        "apiKey",
        "accessToken",
        "aws_secret_access_key",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "credentials",
        "basic_auth",
        "slack_webhook_url",
        "private_key",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "num_tokens",
        "class_token",
        "tokens",
        "TOKENIZERS_PARALLELISM",
        "token_file",
        "SSH_AUTH_SOCK",
        "key_frames",
        "author",
        "optimizer.lr",
        "secret_name",
    ],
)
def test_names_of_no_secrets(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "struck"),
    [
        ("logger:\n  api_key: abc\n", "logger:\n  api_key: ***\n"),
        ("password: several words of it\nlr: 1", "password: ***\nlr: 1"),
        ("wandb_token=abc x=1", "wandb_token=*** x=1"),
        ("s3://me:p@ss@host/x", "s3://***@host/x"),
        ("https://ghp1234@github.com/x", "https://***@github.com/x"),
        ("https://h/x?X-Amz-Signature=ab12&y=1", "https://h/x?X-Amz-Signature=***&y=1"),
        ("Authorization header: Bearer abcdefghijkl", "Authorization header: Bearer ***"),
        ("it said hf_abcdefghijklmnopqrstuvwx!", "it said ***!"),
        ("id AKIAABCDEFGHIJKLMNOP", "id ***"),
        ("storage={key:1,secret:abc,x:2}", "storage={key:1,secret:***,x:2}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----", "***"),
    ],
)
def test_texts(text: str, struck: str) -> None:
    assert redact_text(text) == struck


@pytest.mark.parametrize(
    "text",
    [
        "num_tokens: 5\nsecret: null\nkey: 3\ntokens=7\n",
        "cannot open the secret file",
        "git@github.com:x/y",
        "user@host",
        "token://x",
        "clip=16x2_32 optimizer.lr=0.01",
        "a commit 0123456789abcdef0123456789abcdef01234567",
        "token: ${oc.env:HF_TOKEN}",
    ],
)
def test_texts_without_secrets_stay(text: str) -> None:
    assert redact_text(text) == text


def test_trees_keep_their_names_numbers_and_order() -> None:
    tree = {
        "b": {"password": "x y", "token": None, "secret": True},
        "credentials": {"user": "bob", "level": 3},
        "a": [1, 2.5, "s3://u:p@h", {"api_key": 123456}],
    }
    assert redact(tree) == {
        "b": {"password": "***", "token": None, "secret": True},
        "credentials": {"user": "***", "level": 3},
        "a": [1, 2.5, "s3://***@h", {"api_key": "***"}],
    }
    assert list(redact(tree)) == ["b", "credentials", "a"]
    assert redact({"typing a password": 150}, by_name=False) == {"typing a password": 150}


def test_an_override_loses_its_whole_value() -> None:
    assert redact_override("+data.password=a b, c") == "+data.password=***"
    assert redact_override("optimizer.lr=0.1") == "optimizer.lr=0.1"
    assert redact_override("data.token=${oc.env:HF_TOKEN}") == "data.token=${oc.env:HF_TOKEN}"


def test_values_of_the_environment_are_struck_out_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_DB_PASSWORD", "hunter2")
    monkeypatch.setenv("MY_TOKEN", "cosine")  # a word like others: only its name can tell
    monkeypatch.setenv("MY_HOST", "zebra-7")
    said = redact_text("login hunter2 at zebra-7, hunter22, cosine")
    assert said == "login *** at zebra-7, hunter22, cosine"


def test_a_value_that_stood_under_a_secret_name_is_known_from_then_on() -> None:
    learn(
        {"a": {"password": "zebra-9911"}, "root": "s3://bob:sesame/99@host", "list": [{"pwd": "x"}]}
    )
    assert redact_text("cannot log in as zebra-9911") == "cannot log in as ***"
    assert redact({"reason": "zebra-9911?"}) == {"reason": "***?"}


@pytest.mark.parametrize("group", list(groups(conf_dir())))
def test_no_shipped_config_has_anything_that_looks_like_a_secret(group: str) -> None:
    for option in groups(conf_dir())[group]:
        plain = OmegaConf.to_container(OmegaConf.load(conf_dir() / group / f"{option}.yaml"))
        assert redact(plain) == plain
