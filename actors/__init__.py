"""Who acts: everything that one request touches. A pure centre, and a rim that talks to trio and httpx."""
