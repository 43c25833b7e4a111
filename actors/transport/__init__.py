"""The router as an HTTP transport: what an SDK sends becomes a call, what the router answers becomes a response.

::

    openai.AsyncOpenAI(api_key="unused", http_client=httpx.AsyncClient(transport=RouterTransport(router)))

`places` reads paths, `asking` makes calls of requests (`forms` of multipart ones), `listing` answers what the router
knows by itself, `answering` writes answers, `telling` errors, `streaming` is a stream's body. `transport` puts them
together. Nothing here routes, waits or retries: all that is the router's.
"""
