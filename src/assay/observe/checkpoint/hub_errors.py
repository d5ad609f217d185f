"""What went wrong on the way to the Hub, in Assay's own errors.

The library's exceptions and those of its HTTP client are told apart by the names of their classes: the client's
module changed between versions of the library, the names did not.
"""

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from assay.errors import AssayError, NetworkFailure, PermissionRefused, UnknownModel
from assay.types.message import message


class Place(NamedTuple):
    """What was asked for, and where.

    Attributes:
        repo: `owner/name`.
        revision: branch, tag or commit; None: the default branch.
        endpoint: address of the Hub, without a slash at its end.
        near: names of the catalogue that are spelt alike.
        has_token: whether a token is sent.
    """

    repo: str
    revision: str | None
    endpoint: str
    near: tuple[str, ...] = ()
    has_token: bool = False

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"{self.endpoint}/{self.repo}"

    @property
    def host(self) -> str:
        """The Hub's host, for messages."""
        try:
            return urlsplit(self.endpoint).netloc or self.endpoint
        except ValueError:  # half an IPv6 address
            return self.endpoint


def network(place: Place, code: str, *, file: str | None = None, limit: int | None = None) -> NetworkFailure:
    """A failure of the network or of the far side; `code` is a whole message code, `limit` bytes."""
    return NetworkFailure(
        message(code, host=place.host, repo=place.repo, file=file, limit=limit),
        message("hint.hub.network"),
        file=file,
        candidates=place.near,
    )


def no_repository(place: Place) -> UnknownModel:
    """There is no such repository, or it is hidden from this caller."""
    near = ", ".join(place.near)
    return UnknownModel(
        message("error.hub.no_repository", repo=place.repo, host=place.host),
        message("hint.did_you_mean", names=near) if near else message("hint.hub.no_repository"),
        candidates=place.near,
    )


def offline(place: Place) -> NetworkFailure:
    """Offline mode, and what is needed is not in the cache."""
    return NetworkFailure(
        message("error.hub.offline", repo=place.repo), message("hint.hub.offline"), candidates=place.near
    )


def _gated(place: Place) -> PermissionRefused:
    hint = message("hint.hub.gated", url=place.url)
    if place.has_token:
        hint = message("hint.hub.gated_token", url=place.url)
    return PermissionRefused(message("error.hub.gated", repo=place.repo), hint)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, each once."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _kinds(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _of_status(error: Any, place: Place) -> AssayError:
    """The error for an answer of the server that is no success."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status == 401:
        if "invalid credentials" in str(error).lower():
            return PermissionRefused(
                message("error.hub.token", host=place.host), message("hint.hub.token", url=place.endpoint)
            )
        return no_repository(place)  # the Hub says so of missing and of private repositories alike
    if status == 403:
        return PermissionRefused(
            message("error.hub.refused", repo=place.repo, host=place.host), message("hint.hub.refused", url=place.url)
        )
    if status == 404:
        return no_repository(place)
    if status == 429:
        return NetworkFailure(message("error.hub.rate_limit", host=place.host), message("hint.hub.later"))
    return NetworkFailure(message("error.hub.status", host=place.host, status=status), message("hint.hub.later"))


def _of_answer(error: BaseException, kinds: set[str], place: Place) -> AssayError | None:
    """The error for an answer of the Hub that the library gave a class of its own, or any other that is no success."""
    if "GatedRepoError" in kinds:
        return _gated(place)
    if "RepositoryNotFoundError" in kinds or "HFValidationError" in kinds:
        return no_repository(place)
    if "RevisionNotFoundError" in kinds:
        return UnknownModel(
            message("error.hub.no_revision", repo=place.repo, revision=place.revision or "main"),
            message("hint.hub.no_revision", url=place.url),
        )
    if "RemoteEntryNotFoundError" in kinds:
        return network(place, "error.hub.not_a_hub")  # it was listed a moment ago
    if "DisabledRepoError" in kinds:
        return PermissionRefused(
            message("error.hub.refused", repo=place.repo, host=place.host), message("hint.hub.refused", url=place.url)
        )
    return _of_status(error, place) if "HfHubHTTPError" in kinds else None


def _of_library(error: BaseException, kinds: set[str], place: Place) -> AssayError | None:
    """The error for an exception of the library that is no answer of the Hub, or None."""
    if "OfflineModeIsEnabled" in kinds:
        return offline(place)
    if "LocalEntryNotFoundError" in kinds:
        cause = error.__cause__
        return offline(place) if cause is None else explained(cause, place)
    return network(place, "error.hub.not_a_hub") if "FileMetadataError" in kinds else None


_CLIENT = (
    ("TimeoutException", "error.hub.timeout"),
    ("TooManyRedirects", "error.hub.redirects"),
    ("ProxyError", "error.hub.no_connection"),
    ("ConnectError", "error.hub.no_connection"),
    ("UnsupportedProtocol", "error.hub.no_connection"),
    ("InvalidURL", "error.hub.no_connection"),
    ("HTTPError", "error.hub.broken_off"),
)
"""Exceptions of the HTTP client, the particular before the general."""


def _of_client(error: BaseException, kinds: set[str], place: Place) -> AssayError | None:
    """The error for an exception of the HTTP client, or None."""
    code = next((code for name, code in _CLIENT if name in kinds), None)
    if code is None:
        return None
    causes = tuple(_chain(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return network(place, "error.hub.dns")
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return network(place, "error.hub.tls")
    return network(place, code)


def explained(error: BaseException, place: Place) -> AssayError | None:
    """The error of Assay's for whatever was raised, or None for a bug."""
    if isinstance(error, AssayError):
        return error
    kinds = _kinds(error)
    found = _of_answer(error, kinds, place) or _of_library(error, kinds, place) or _of_client(error, kinds, place)
    if found is not None:
        return found
    if isinstance(error, TimeoutError):
        return network(place, "error.hub.timeout")
    if isinstance(error, OSError):
        if error.errno is None:  # the library's check of a download's length
            return network(place, "error.hub.broken_off")
        name = errno.errorcode.get(error.errno, "")
        return PermissionRefused(message("error.hub.disk", system=name), message("hint.hub.disk"))
    return None
