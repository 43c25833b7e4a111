"""`instructor` over a `RouterTransport`.

It asks for older parts than the newest openai does, so that it is tested in an environment of its own (the extra
``test-instructor``) and left out elsewhere.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from pydantic import BaseModel, field_validator

import understudy
from tests.loopback import Answer, Silent, Status
from tests.wire.cast import Cast, perform

from .common import EXHAUSTED, FAULT, HELLO, SDKS_OWN, Sdk

instructor = pytest.importorskip("instructor")
pytestmark = SDKS_OWN


class City(BaseModel):
    """What is asked for."""

    name: str

    @field_validator("name")
    @classmethod
    def _is_capitalised(cls, name: str) -> str:
        if not name[0].isupper():
            raise ValueError("a city is written with a capital letter")
        return name


def saying(name: str) -> Answer:
    return Answer("", tool_calls=[("City", f'{{"name": "{name}"}}')])


def test_an_object_is_extracted_after_a_fallback(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        client = instructor.from_openai(sdk(it.router))
        city, completion = await client.create_with_completion(model="first", response_model=City, messages=HELLO)
        assert isinstance(city, City)
        assert city.name == "Rome"
        assert completion.model == "m-2"
        assert (len(it.first.requests), len(it.second.requests)) == (1, 1)

    perform(scene, scripts=[[Status(429, EXHAUSTED)], [saying("Rome")]])


def test_what_does_not_validate_is_asked_for_again_and_that_is_a_request_of_its_own(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        client = instructor.from_openai(sdk(it.router))
        city = await client.create(model="first", response_model=City, messages=HELLO, max_retries=2)
        assert city.name == "Rome"
        assert len(it.first.requests) == 2
        assert "capital letter" in str(it.first.requests[1].body["messages"])

    perform(scene, scripts=[[saying("rome"), saying("Rome")]])


def test_an_object_is_streamed_in_part(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        client = instructor.from_openai(sdk(it.router))
        parts: list[Any] = [
            part async for part in client.create_partial(model="first", response_model=City, messages=HELLO)
        ]
        assert parts[-1].name == "Rome"
        assert len(it.second.requests) == 1

    perform(scene, scripts=[[Status(500)], [saying("Rome")]])


def test_when_all_have_failed_it_is_one_call_each(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        client = instructor.from_openai(sdk(it.router))
        with pytest.raises(Exception, match="no candidate could serve 'first'"):
            await client.create(model="first", response_model=City, messages=HELLO, max_retries=1)
        assert (len(it.first.requests), len(it.second.requests)) == (1, 1)

    perform(scene, scripts=[[Status(429, EXHAUSTED)], [Status(429, EXHAUSTED)]])


def test_a_fault_of_the_request_comes_back_in_the_providers_own_words_and_is_not_asked_again(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        client = instructor.from_openai(sdk(it.router))
        with pytest.raises(Exception, match="Invalid value: 'wizard'"):
            await client.create(model="first", response_model=City, messages=HELLO, max_retries=1)
        assert (len(it.first.requests), len(it.second.requests)) == (1, 0)

    perform(scene, scripts=[[Status(422, FAULT)]])


def test_a_call_that_is_cancelled_closes_the_providers_connection_and_harms_nobody(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        client = instructor.from_openai(sdk(it.router))
        with trio.move_on_after(0.1) as scope:
            await client.create(model="first", response_model=City, messages=HELLO)
        assert scope.cancelled_caught
        await it.first.wait_closed()
        assert it.status().state is understudy.State.HEALTHY
        assert (len(it.first.requests), len(it.second.requests)) == (1, 0)

    perform(scene, scripts=[[Silent()]])
