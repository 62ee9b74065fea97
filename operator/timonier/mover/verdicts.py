"""What restic's complaints mean. Releases before 0.17 exit with 1 for nearly everything, so the text decides."""

import re
from collections.abc import Iterable

from timonier.mover.outcome import Code, MoverError

__all__ = ["RETRYING", "Redaction", "hopeless", "verdict"]

RETRYING = "retrying after"
"""In each line with which restic announces that it will try again, for 15 minutes in all."""

# From 0.17 on: https://restic.readthedocs.io/en/stable/075_scripting.html#exit-codes
_BY_EXIT_CODE: dict[int, Code] = {10: "NotInitialized", 11: "Locked", 12: "WrongPassword"}

# In this order: restic asks "Is there a repository?" as well when nobody answers or nobody is let in, and a file that
# is missing means damage only where neither is the cause.
_TEXTS: tuple[tuple[Code, str], ...] = (
    ("WrongPassword", r"wrong password or no key found|an empty password is not"),
    ("Locked", r"already locked|unable to create lock in backend: repository"),
    ("NoSpace", r"no space left on device|disk quota exceeded|StorageFull|QuotaExceeded|\b507\b|file too large"),
    (
        "PermissionDenied",
        r"permission denied|operation not permitted|read-only file system|Access ?Denied|InvalidAccessKeyId|"
        r"SignatureDoesNotMatch|AllAccessDisabled|\b401\b|\b403\b",
    ),
    (
        "Unreachable",
        r"connection refused|connection reset|no such host|server misbehaving|i/o timeout|timed? ?out|x509|tls: |"
        r"network is unreachable|no route to host|context deadline|broken pipe|stale (NFS )?file handle|"
        r"server gave HTTP response|malformed HTTP|client\.(Head|Get|Do)\b.*EOF|\b429\b|\b50[0234]\b|SlowDown",
    ),
    ("NotInitialized", r"unable to open config file|config.* does not exist|Is there a repository|bucket does not"),
    ("SnapshotNotFound", r"no matching ID|no snapshot found|multiple IDs with prefix"),
    (
        "Corrupted",
        r"ciphertext verification failed|not found in (the )?(repository|index)|Pack ID does not match|"
        r"repository contains errors|hash (mismatch|does not match)|invalid data returned|unexpected EOF|"
        r"decrypting blob|config cannot be loaded|failed to read all files|wrong hash|load index .* failed|"
        r"^Load\(<.*(no such file|not exist|\b404\b)|invalid (header|pack|character)|does not match id|is truncated",
    ),
)
_BY_TEXT = tuple((code, re.compile(pattern, re.IGNORECASE)) for code, pattern in _TEXTS)

_SENTENCES: dict[Code, str] = {
    "WrongPassword": "The password does not open this repository.",
    "Unreachable": "The store cannot be reached.",
    "NotInitialized": "There is no repository at this address.",
    "Locked": "The repository is locked.",
    "NoSpace": "There is no space left.",
    "Corrupted": "The repository is damaged.",
    "PermissionDenied": "Access is denied.",
    "SnapshotNotFound": "There is no such snapshot in the repository.",
}

_HOPELESS = re.compile(
    r"no space left on device|disk quota exceeded|permission denied|Access ?Denied|InvalidAccessKeyId|"
    r"SignatureDoesNotMatch|^Load\(<data/.*(no such file|does not exist|\b404\b)",
    re.IGNORECASE,
)


class Redaction:
    """Takes secrets out of texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """`secrets` that are empty are none."""
        found = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, found))) if found else None

    def __call__(self, text: str) -> str:
        """The text without the secrets.

        >>> Redaction(["open sesame", ""])("He said: open sesame")
        'He said: ***'
        """
        return self._pattern.sub("***", text) if self._pattern else text


def hopeless(line: str) -> bool:
    """True when restic tries again what will not get better by waiting.

    >>> hopeless("Load(<data/0c6e>, 9, 0) returned error, retrying after 1s: open /r/data/0c/0c6e: no such file")
    True
    """
    return RETRYING in line and _HOPELESS.search(line) is not None


def verdict(exit_code: int, lines: Iterable[str]) -> MoverError:
    """What an exit code and the lines written to stderr mean, as a code and a sentence with the line that tells.

    >>> verdict(1, ["Fatal: wrong password or no key found"]).code
    'WrongPassword'
    """
    said = [line for line in lines if line.strip() and not line.startswith("\t")]
    for code, pattern in _BY_TEXT:
        telling = next((line for line in reversed(said) if pattern.search(line)), None)
        if telling is not None:
            return _error(code, telling)
    last = next(reversed(said), f"nothing, and ended with exit code {exit_code}")
    return _error(_BY_EXIT_CODE.get(exit_code, "Failed"), last)


def _error(code: Code, line: str) -> MoverError:
    return MoverError(code, f"{_SENTENCES.get(code, 'restic failed.')} restic said: {line.strip()}")
