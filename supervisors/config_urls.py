"""URLs in a configuration: base URLs and proxies.

httpx reads them here as it will read them later, so that what passes can be used. A proxy may carry a password, and a
base URL must not: neither is shown in any message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .config_mistakes import Spot

if TYPE_CHECKING:
    import httpx

API_SCHEMES: Final = ("https", "http")
PROXY_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
PORTS: Final = range(1, 65536)
ENDPOINT_PATHS: Final = ("/chat/completions", "/completions", "/messages", "/embeddings", "/responses")


def check_api_base(spot: Spot) -> str:
    """Check a base URL, and return it without a slash at its end."""
    # It is no secret, but someone may have put one in; then it is shown by no other message either.
    url = parse_url(spot, spot.value, API_SCHEMES)
    text = str(spot.value)
    if url.userinfo or "@" in text:
        spot.mistakes.conceal(text)
        raise spot.wrong("must not contain a user or a password; use `api_key` or `headers`")
    if "?" in text or "#" in text:
        raise spot.wrong("must not contain a query (`?`) or a fragment (`#`)")
    for path in ENDPOINT_PATHS:
        if url.path.rstrip("/").endswith(path):
            raise spot.wrong(f"must end before `{path}`, which is added to it")
    return text.rstrip("/")


def check_proxy_url(spot: Spot, value: object) -> str:
    """Check a proxy's URL, which is not necessarily the spot's own value."""
    url = parse_url(spot, value, PROXY_SCHEMES)
    if url.path not in ("", "/") or url.query or url.fragment:
        raise spot.wrong("must end after the host and the port")
    return str(value)


def parse_url(spot: Spot, value: object, schemes: tuple[str, ...]) -> httpx.URL:
    """Parse a URL as httpx does, and check that it has one of the schemes, and a host."""
    import httpx

    if not isinstance(value, str):
        raise spot.must_be("a URL")
    shape = f"must be a URL such as {schemes[0]}://host:port"
    if not value or not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        raise spot.wrong(f"{shape}, without white space or other unusual characters")
    try:
        url = httpx.URL(value)
    except Exception:
        url = None
    usable = url is not None and url.scheme in schemes and url.host and (url.port is None or url.port in PORTS)
    if url is None or not usable:
        raise spot.wrong(f"{shape} (with {' or '.join(schemes)})")
    return url
