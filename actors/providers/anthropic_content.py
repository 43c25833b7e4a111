"""The content of a message in OpenAI's shape as Anthropic's blocks, and what is expected of a value in it.

Each function raises `Untranslatable` for what has no counterpart, with the place where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .dialect import Untranslatable

Block = dict[str, Any]
"""One piece of content, or one turn."""

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""What Anthropic takes as the name of a tool."""

IMAGES: Final = {name: name for name in ("image/png", "image/jpeg", "image/gif", "image/webp")} | {
    "image/jpg": "image/jpeg"
}
"""The images that Anthropic takes, and what it calls them."""

Parts = Mapping[str, Callable[[Mapping[str, Any], str], list[Block]]]
"""How the parts of a content are written, by their type."""


def blocks_of(content: object, where: str, kinds: Parts) -> list[Block]:
    """Return a content as blocks; `kinds` are the parts that may be in it."""
    if isinstance(content, str):
        return text_block(content, where)
    blocks: list[Block] = []
    for i, item in enumerate(listed(content, where)):
        part = mapping(item, f"{where}[{i}]")
        kind = part["type"] if isinstance(part.get("type"), str) else ""
        write = kinds.get(kind)
        if write is None:
            raise Untranslatable(f"it has no place there for `{where}[{i}]`" + (f" ({kind})" if kind else ""))
        blocks += write(part, f"{where}[{i}]")
    return blocks


def text_block(text: object, where: str) -> list[Block]:
    """Return a text as a block, or none: Anthropic refuses those that have nothing but blanks."""
    if not isinstance(text, str):
        raise Untranslatable(f"`{where}` is no text")
    return [{"type": "text", "text": text}] if text.strip() else []


def _text_part(part: Mapping[str, Any], where: str) -> list[Block]:
    only(part, where, "type", "text")
    return text_block(part.get("text"), f"{where}.text")


def _refusal_part(part: Mapping[str, Any], where: str) -> list[Block]:
    only(part, where, "type", "refusal")
    return text_block(part.get("refusal"), f"{where}.refusal")


def _image_part(part: Mapping[str, Any], where: str) -> list[Block]:
    """Return an image. How closely it is to be looked at (`detail`) is left out."""
    only(part, where, "type", "image_url")
    image = mapping(part.get("image_url"), f"{where}.image_url")
    only(image, f"{where}.image_url", "url", "detail")
    url = image.get("url")
    if not isinstance(url, str):
        raise Untranslatable(f"`{where}.image_url.url` is no text")
    if url[:8].lower() == "https://":
        return [{"type": "image", "source": {"type": "url", "url": url}}]
    kind, data = _inline(url, f"{where}.image_url.url")
    if kind not in IMAGES:
        raise Untranslatable(f"it takes no images but PNG, JPEG, GIF and WebP ({where})")
    return [{"type": "image", "source": {"type": "base64", "media_type": IMAGES[kind], "data": data}}]


def _file_part(part: Mapping[str, Any], where: str) -> list[Block]:
    """Return a PDF; its name becomes its title."""
    only(part, where, "type", "file")
    file = mapping(part.get("file"), f"{where}.file")
    only(file, f"{where}.file", "file_data", "filename")
    data, title = file.get("file_data"), file.get("filename")
    if not isinstance(data, str) or not isinstance(title, str | None):
        raise Untranslatable(f"`{where}.file` is not a file's data, with its name")
    kind, data = _inline(data, f"{where}.file.file_data")
    if kind != "application/pdf":
        raise Untranslatable(f"it takes no files but PDF ({where})")
    source = {"type": "base64", "media_type": kind, "data": data}
    return [{"type": "document", "source": source, **({"title": title} if title else {})}]


def _inline(url: str, where: str) -> tuple[str, str]:
    """Return the media type and the data, in base 64, of a ``data:`` URL."""
    head, comma, data = url.partition(",")
    kind, *marks = head.lower().split(";")
    if not comma or not kind.startswith("data:") or "base64" not in marks or not data:
        raise Untranslatable(f"`{where}` is neither an https: URL nor a data: URL in base64")
    return kind.removeprefix("data:"), data


SAID: Final = {"text": _text_part}
ANSWERED: Final = {"text": _text_part, "refusal": _refusal_part}
SEEN: Final = {"text": _text_part, "image_url": _image_part, "file": _file_part}


# ---- what is expected of a value


def listed(value: object, where: str) -> Sequence[Any]:
    """Return what must be a list."""
    if not isinstance(value, list | tuple):
        raise Untranslatable(f"`{where}` is not a list")
    return value


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Return what must be an object."""
    if not isinstance(value, (dict, Mapping)):  # a dict first: to ask the abstract class takes longer
        raise Untranslatable(f"`{where}` is not an object")
    return value


def only(value: Mapping[str, Any], where: str, *names: str, but: frozenset[str] = frozenset()) -> None:
    """See that an object says nothing besides `names`, and `but` what is left out."""
    for name, said in value.items():
        if said is not None and name not in names and name not in but:
            raise Untranslatable(f"it has no `{name}` ({where})")


def matching(pattern: re.Pattern[str], value: object, where: str) -> str:
    """Return what must be a text of a certain form."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Untranslatable(f"`{where}` is not made of letters, digits, - and _ alone, as it wants it")
    return value
