"""Wire dialects over httpx: build the HTTP request, read the reply, the stream, the error."""
