"""A whole reply over real sockets: what the caller wrote arrives, and what the provider wrote comes back."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import understudy
from tests.loopback import USAGE, Answer, Behaviour, Exchange, Silent, Slow, Status, loopback_provider
from understudy import Call, Outcome, Reason, RequestRejected

from .cast import KEYS, MESSAGES, TEXT, Cast, fell_back, perform, reasons

pytestmark = pytest.mark.usefixtures("either_reader")


def test_a_reply_has_its_text_its_usage_and_its_author() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.chat()
        assert reply.text == TEXT
        assert reply.finish_reason == "stop"
        assert reply.usage == understudy.Usage(*USAGE.values())
        assert (reply.served_by.name, reply.served_by.model) == ("first", "m-1")
        assert reasons(reply.attempts) == [("first", Outcome.SERVED, None)]
        assert it.status().served == 1

    perform(scene)


def test_what_the_caller_wrote_arrives_as_it_was_written() -> None:
    params: dict[str, Any] = {
        "temperature": 0.25,
        "max_tokens": 17,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "x-ü": "\u2028"}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"enum": [None, 1e300]}}},
        "top_k": 3,
        "metadata": {"nested": [[], {}, [None, True, -0.0]]},
    }
    content: list[dict[str, Any]] = [
        {"type": "text", "text": "What is on it? \U0001f600 \ud83d"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
    ]
    messages: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]

    async def scene(it: Cast) -> None:
        await it.router.chat("first", messages, **params)
        (seen,) = it.first.requests
        assert seen.body == {**params, "messages": messages, "model": "m-1"}
        assert (seen.method, seen.path) == ("POST", "/v1/chat/completions")
        assert seen.headers["content-type"] == "application/json"

    perform(scene)


def test_tool_calls_come_back_as_the_provider_wrote_them() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.chat(tools=[{"type": "function", "function": {"name": "add"}}])
        assert reply.text == ""
        assert reply.finish_reason == "tool_calls"
        assert [call["function"] for call in reply.tool_calls] == [
            {"name": "add", "arguments": '{"a": 1}'},
            {"name": "sub", "arguments": "{}"},
        ]

    perform(scene, scripts=[[Answer(text="", tool_calls=[("add", '{"a": 1}'), ("sub", "{}")])]])


def test_each_candidate_is_asked_with_its_own_key_model_headers_and_address() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.chat()
        assert reply.served_by.name == "second"
        (one,), (two,) = it.first.requests, it.second.requests
        assert (one.key, one.model, one.headers["x-org"]) == (KEYS[0], "m-1", "one")
        assert (two.key, two.model, two.headers["x-org"]) == (KEYS[1], "m-2", "two")
        assert one.headers["host"] == f"127.0.0.1:{it.first.port}"
        assert two.headers["host"] == f"127.0.0.1:{it.second.port}"

    perform(scene, {"headers": {"X-Org": "one"}}, {"headers": {"X-Org": "two"}}, scripts=[[Status(500)]])


def test_a_header_of_the_config_replaces_one_of_the_dialect() -> None:
    async def scene(it: Cast) -> None:
        await it.chat()
        (seen,) = it.first.requests
        assert seen.headers["user-agent"] == "mine/1"
        assert seen.headers["x-api-key"] == KEYS[0]
        assert "authorization" not in seen.headers

    perform(scene, {"api_key": None, "headers": {"User-Agent": "mine/1", "X-API-Key": KEYS[0]}})


def test_a_connection_is_used_again() -> None:
    async def scene(it: Cast) -> None:
        for _ in range(3):
            await it.chat()
        await it.read()
        await it.chat()
        assert [seen.connection for seen in it.first.requests] == [0] * 5

    perform(scene)


def test_a_connection_is_used_again_after_an_error_answer() -> None:
    async def scene(it: Cast) -> None:
        await it.chat()
        await it.router.reset("first")
        await it.chat()
        assert [seen.connection for seen in it.first.requests] == [0, 0]

    perform(scene, scripts=[[Status(500)]])


class AnswerAndLeave(Behaviour):
    """Answers as if the connection stayed, and closes it."""

    async def play(self, exchange: Exchange) -> None:
        await Answer().play(exchange)
        exchange.hang_up()


def test_a_connection_that_the_provider_closed_meanwhile_is_not_used_again() -> None:
    async def scene(it: Cast) -> None:
        for _ in range(5):
            assert (await it.chat()).served_by.name == "first"
            await it.first.wait_closed()
        assert it.first.connections == 5

    perform(scene, scripts=[[AnswerAndLeave()] * 5])


def test_cookies_are_never_sent_back() -> None:
    async def scene(cast: Cast) -> None:
        cast.first.always(Answer(headers={"set-cookie": "who=first; Path=/"}))
        await cast.chat()
        await cast.chat()
        assert "cookie" not in cast.first.requests[1].headers

    perform(scene)


def test_any_other_endpoint_is_body_in_body_out() -> None:
    vectors = {"object": "list", "data": [{"embedding": [0.5, -1.0], "index": 0}], "usage": {"total_tokens": 3}}

    async def scene(it: Cast) -> None:
        reply = await it.router.request(Call("first", {"input": ["Hi"]}, endpoint="/embeddings"))
        assert reply.body == vectors
        assert reply.usage.total_tokens == 3
        assert reply.text == ""
        assert it.first.requests[0].path == "/v1/embeddings"
        assert it.first.requests[0].body == {"input": ["Hi"], "model": "m-1"}

    perform(scene, scripts=[[Status(200, vectors)]])


def test_an_error_object_from_another_endpoint_is_not_served() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.router.request(Call("first", {"input": ["Hi"]}, endpoint="/moderations"))
        assert reasons(reply.attempts) == fell_back(Reason.SERVER_ERROR)

    error = {"object": "error", "message": "The engine is gone.", "code": None}
    perform(scene, scripts=[[Status(200, error)], [Status(200, {"data": []})]])


def test_an_endpoint_never_becomes_part_of_the_host() -> None:
    async def scene(it: Cast) -> None:
        host = f"127.0.0.1:{it.second.port}"
        for endpoint in (f"@{host}/chat/completions", f"//{host}/chat/completions", f"https://{host}"):
            try:
                await it.router.request(Call("first", {"messages": MESSAGES}, endpoint=endpoint, timeout=2))
            except understudy.UnderstudyError as error:
                it.hear(error)
        assert all(seen.key == KEYS[1] for seen in it.second.requests)

    perform(scene)


def test_a_body_that_asks_for_a_stream_is_not_streamed_where_a_whole_reply_is_wanted() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.router.request(Call("first", {"messages": MESSAGES, "stream": True}))
        assert (reply.text, reply.served_by.name) == (TEXT, "first")

    perform(scene)


def test_a_fault_of_the_request_is_delivered_at_once() -> None:
    async def scene(it: Cast) -> None:
        error = await it.fails(RequestRejected, it.chat)
        assert error.failure.reason is Reason.FORMAT
        assert "temperature" in str(error)
        assert it.second.requests == []
        assert it.status().state == "healthy"

    body = {"error": {"message": "Invalid value for temperature.", "type": "invalid_request_error"}}
    perform(scene, scripts=[[Status(400, body)]])


def test_requests_at_the_same_time_do_not_mix() -> None:
    async def scene(it: Cast) -> None:
        texts: dict[int, str] = {}

        async def ask(n: int) -> None:
            reply = await it.chat(user=str(n))
            texts[n] = reply.body["id"]

        async with trio.open_nursery() as nursery:
            for n in range(20):
                nursery.start_soon(ask, n)
        for seen in it.first.requests:
            assert texts[int(seen.body["user"])] == f"chatcmpl-{seen.number}"
        assert len(texts) == 20

    perform(scene, scripts=[[Slow(0.05)] * 20])


def test_a_caller_who_is_cancelled_takes_the_connection_along() -> None:
    async def scene(it: Cast) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.chat)
            await it.first.wait_for_requests(1)
            assert it.status().in_flight == 1
            nursery.cancel_scope.cancel()
        with trio.fail_after(1):
            await it.first.wait_closed()
        await it.until_idle()
        assert it.status().state == "healthy"
        assert it.second.requests == []

    perform(scene, scripts=[[Silent()]])


def test_a_caller_whose_time_runs_out_takes_the_connection_along() -> None:
    async def scene(it: Cast) -> None:
        await it.fails(understudy.DeadlineExceeded, lambda: it.chat(timeout=0.1))
        with trio.fail_after(1):
            await it.first.wait_closed()
        assert it.status().state == "healthy"

    perform(scene, scripts=[[Silent()]])


def test_closing_the_router_ends_what_is_under_way() -> None:
    async def main() -> None:
        ended: list[understudy.RouterClosed] = []

        async def ask(router: understudy.Router) -> None:
            try:
                await router.chat("a", MESSAGES)
            except understudy.RouterClosed as error:
                ended.append(error)

        async with loopback_provider() as provider, trio.open_nursery() as nursery:
            provider.always(Silent())
            entry = {"model_name": "a", "model": "openai/a", "api_key": "k", "api_base": provider.base_url}
            async with understudy.open_router({"model_list": [entry], "shutdown_timeout": 0.1}) as router:
                nursery.start_soon(ask, router)
                await provider.wait_for_requests(1)
            with trio.fail_after(1):
                await provider.wait_closed()
        assert len(ended) == 1

    trio.run(main)
