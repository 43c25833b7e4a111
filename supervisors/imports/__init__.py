"""Other programs' configurations, turned into ours: LiteLLM's ``config.yaml`` and picoclaw's ``config.json``.

Everything in this room is pure: a tree of plain values comes in, a mapping for `load_config` and a report go out.
Reading the file, writing the result and printing the report is done by whoever asks. The rule of the room: no value
of a foreign file is dropped in silence. It becomes a part of the result, or the report names its place.

`kinds` is the way in. `foreign` keeps account of what was read, `report` holds what is told, `litellm` and `picoclaw`
know one format each (their tables are in `litellm_words` and `picoclaw_words`), `values` converts single values,
`draft` puts entries and routes together, `write` makes the text.
"""
