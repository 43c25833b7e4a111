"""How the parts of OpenAI's messages become parts of Gemini's: texts, images, audio, files. Pure.

Files travel with their bytes. Only images may be links, since only their type is told by an ending that everybody
uses, and Gemini wants to be told it. What cannot be said raises `Untranslatable` with its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from .dialect import Untranslatable

IMAGE_TYPES: Final = frozenset({"image/bmp", "image/heic", "image/heif", "image/jpeg", "image/png", "image/webp"})
"""The images that Gemini takes; a GIF is none of them."""

ALIASES: Final = {"image/jpg": "image/jpeg", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav"}

LINKED_TYPES: Final = {
    "bmp": "image/bmp",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
"""The types of images that Gemini fetches itself, by the ending of their address, since their type has to be named."""

AUDIO_TYPES: Final = {name: f"audio/{name}" for name in ("aac", "aiff", "flac", "mp3", "ogg", "wav")}

LEFT_OUT: Final = frozenset(
    {"annotations", "cache_control", "provider_specific_fields", "reasoning", "reasoning_content", "reasoning_details"}
)
"""What messages and their parts may say besides: how an answer came about, and what is to be kept for later."""

Part = dict[str, Any]


def known_fields(item: object, at: str, *names: str) -> Mapping[str, Any]:
    """Return what an object says, but for what is ``null`` or may be left out; it may say nothing but `names`."""
    if not isinstance(item, (dict, Mapping)):
        raise Untranslatable(f"`{at}` is no object")
    said = {name: value for name, value in item.items() if value is not None and name not in LEFT_OUT}
    for name in said:
        if name not in names:
            raise Untranslatable(f"it has no `{name}` in {at}")
    return said


def text_at(item: Mapping[str, Any], name: str, at: str) -> str:
    """Return a text that must be there, and must not be empty."""
    text = item.get(name)
    if not isinstance(text, str) or not text:
        raise Untranslatable(f"`{at}.{name}` is no text")
    return text


def texts_of(content: object, at: str) -> list[str]:
    """Return the texts of a content that may hold nothing else."""
    if isinstance(content, str):
        return [content]
    return [_text(part, f"{at}[{i}]") for i, part in enumerate(_listed(content, at))]


def _text(part: object, at: str) -> str:
    said = known_fields(part, at, "type", "text")
    text = said.get("text")
    if said.get("type") != "text" or not isinstance(text, str):
        raise Untranslatable(f"`{at}` is no text")
    return text


def parts_of(content: object, at: str, *, spoken: bool = False) -> Iterator[Part]:
    """Translate a content part by part. What was `spoken` by the model holds texts and refusals, the rest files too."""
    if isinstance(content, str):
        yield {"text": content}
        return
    for i, part in enumerate(_listed(content, at)):
        place = f"{at}[{i}]"
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text":
            yield {"text": _text(part, place)}
        elif kind == "refusal" and spoken:
            yield {"text": text_at(known_fields(part, place, "type", "refusal"), "refusal", place)}
        elif kind == "image_url" and not spoken:
            yield image_of(part, place)
        elif kind == "input_audio" and not spoken:
            yield _audio(part, place)
        elif kind == "file" and not spoken:
            yield _file(part, place)
        else:
            raise Untranslatable(f"`{place}` is no part of a message that it knows")


def _listed(content: object, at: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(content, list | tuple) or not content:
        raise Untranslatable(f"`{at}` is neither a text nor a list of parts")
    return content


def image_of(part: object, at: str) -> Part:
    """Translate an image. How closely it is to be looked at (`detail`) is left to the model."""
    said = known_fields(part, at, "type", "image_url", "index")
    image = known_fields(said.get("image_url"), f"{at}.image_url", "url", "detail")
    url = text_at(image, "url", f"{at}.image_url")
    if url.startswith("data:"):
        mime, data = _data_url(url, f"{at}.image_url.url")
        if mime not in IMAGE_TYPES:
            raise Untranslatable(f"it takes no images of the type {mime!r} ({at})")
        return {"inlineData": {"mimeType": mime, "data": data}}
    try:
        address = urlsplit(url)
    except ValueError:
        raise Untranslatable(f"`{at}.image_url.url` is no address") from None
    linked = LINKED_TYPES.get(address.path.rpartition(".")[2].lower())
    if address.scheme != "https" or linked is None:
        raise Untranslatable(f"it fetches no image whose https address does not end with its type ({at})")
    return {"fileData": {"mimeType": linked, "fileUri": url}}


def _audio(part: object, at: str) -> Part:
    said = known_fields(part, at, "type", "input_audio")
    audio = known_fields(said.get("input_audio"), f"{at}.input_audio", "data", "format")
    kind = text_at(audio, "format", f"{at}.input_audio")
    if kind not in AUDIO_TYPES:
        raise Untranslatable(f"it takes no audio of the format {kind!r} ({at})")
    return {"inlineData": {"mimeType": AUDIO_TYPES[kind], "data": text_at(audio, "data", f"{at}.input_audio")}}


def _file(part: object, at: str) -> Part:
    """Translate a file that comes with its bytes; its name is left out."""
    said = known_fields(part, at, "type", "file")
    file = known_fields(said.get("file"), f"{at}.file", "file_data", "filename", "file_id")
    if "file_id" in file:
        raise Untranslatable(f"it does not have the file that another provider keeps ({at}.file.file_id)")
    mime, data = _data_url(text_at(file, "file_data", f"{at}.file"), f"{at}.file.file_data")
    if mime not in IMAGE_TYPES | {"application/pdf", "application/json"} and mime.partition("/")[0] not in (
        "audio",
        "text",
        "video",
    ):
        raise Untranslatable(f"it takes no files of the type {mime!r} ({at})")
    return {"inlineData": {"mimeType": mime, "data": data}}


def _data_url(url: str, at: str) -> tuple[str, str]:
    """Return a data URL's type and its bytes in base64."""
    head, comma, data = url.partition(",")
    mime, *more = head.removeprefix("data:").split(";")
    if not url.startswith("data:") or not comma or not data or "base64" not in more or "/" not in mime:
        raise Untranslatable(f"`{at}` is no data URL in base64")
    mime = mime.strip().lower()
    return ALIASES.get(mime, mime), data
