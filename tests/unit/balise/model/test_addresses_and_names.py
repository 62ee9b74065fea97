"""URLs, email addresses, image references and names: accepted and refused as the reference's Go packages do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from balise.model.email_address import InvalidEmailError, check_email
from balise.model.image_reference import InvalidImageError, check_image
from balise.model.kubernetes_names import dns1035_label, dns1123_subdomain, label_value, qualified_name
from balise.model.urls import InvalidUrlError, Url, parse_request_uri, parse_url

DIGEST = "@sha256:" + "a" * 64


@pytest.mark.parametrize(
    "text",
    ["https://example.com", "/docs", "mailto:a@b", "http://[::1]:80/", "HTTP://x", "https://a/#b", "https://h/%41?q",
     "x:y", "*", "https://user:word@h/", "https://ä.example/"],
)  # fmt: skip
def test_request_uris(text: str) -> None:
    parse_request_uri(text)


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "www.example.com/docs", "https://h:port/", "https://[::1", "https://a b/", "/%zz", "https://h\t/",
     ":x", "1:2", "https://h/\x7f", "https://a@b@c:x/"],
)  # fmt: skip
def test_no_request_uris(text: str) -> None:
    with pytest.raises(InvalidUrlError):
        parse_request_uri(text)


def test_parts_of_a_url() -> None:
    assert parse_url("HTTPS://user@h:1/p?q#f") == Url("https", "h:1", "user", "q", "f")
    assert parse_url("a/b?") == Url()
    with pytest.raises(InvalidUrlError):
        parse_url("a:b:c#%")


@pytest.mark.parametrize(
    "text",
    ["a@b", "Jane Doe <jane@example.com>", "<a@b>", '"a b"@c', "a@[1.2.3.4]", "a@b (comment)", "Team: a@b;",
     "=?utf-8?q?J=C3=A4ne?= <a@b.c>", "é@example.com"],
)  # fmt: skip
def test_email_addresses(text: str) -> None:
    check_email(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "@b", "a@", "a@b, c@d", "(c) a@b.c", "a@b.", "a b@c", "<a@b", "a@b>", "a..b@c", "Jane Doe", "a@b (c",
     "(" * 100_000],
)  # fmt: skip
def test_no_email_addresses(text: str) -> None:
    with pytest.raises(InvalidEmailError):
        check_email(text)


@pytest.mark.parametrize(
    "text",
    ["a", "a:1", "a/b/c", "quay.io/a/b:1.0", "localhost:5000/a", "Example.com/a", "a" + DIGEST, "a:1" + DIGEST,
     "a_b/c__d/e--f", "a@sha512:" + "b" * 128],
)  # fmt: skip
def test_images(text: str) -> None:
    check_image(text)


@pytest.mark.parametrize(
    "text",
    ["A", "quay.io/A/b", "a:", "a:b:c", "-a", "a//b", "https://quay.io/a", "a@sha256:abc", "a" * 300, "c" * 64,
     "a@md5:" + "a" * 32, "a b", "a@sha256:" + "A" * 64],
)  # fmt: skip
def test_no_images(text: str) -> None:
    with pytest.raises(InvalidImageError):
        check_image(text)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            dns1123_subdomain,
            ["a", "a.b", "1-a", "a" * 253],
            ["", "A", "a..b", "-a", "a-", "a_b", "a" * 254, "a\n", "é"],
        ),
        (dns1035_label, ["a", "a-1", "a" * 63], ["", "1a", "A", "a.b", "a-", "a" * 64]),
        (label_value, ["", "a", "A_b.c-d", "a" * 63], ["-a", "a-", "a b", "a" * 64, "a/b"]),
        (qualified_name, ["a", "A.b_c", "x.y/z", "a" * 63], ["", "/a", "a/", "a/b/c", "A/b", "-a", "a" * 64]),
    ],
)
def test_names(check: Callable[[str], list[str]], good: list[str], bad: list[str]) -> None:
    assert [text for text in good if check(text)] == []
    assert [text for text in bad if not check(text)] == []


def test_length_counts_bytes_and_each_broken_rule_is_one_problem() -> None:
    assert len(label_value("é" * 40)) == 2
    assert len(dns1123_subdomain("A" * 254)) == 2
