"""Who a candidate is: the model reference that people write, and the model key that the runtime lives by.

A `ModelRef` says *what* is asked for (``zhipu/glm-4.7``). A `ModelKey` says *who* is asked: one configured
entry, with its provider, its model and the label of its credential. Two entries that resolve to the same
provider and model are two model keys, and everything that is counted, limited, cooled or reported hangs on the
whole key. Nothing here knows a secret: a key carries a credential's label only.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

PROVIDER_ALIASES: Final[dict[str, str]] = {
    "alibaba-coding": "coding-plan",
    "alibaba-coding-anthropic": "coding-plan-anthropic",
    "claude": "anthropic",
    "dashscope-intl": "qwen-intl",
    "dashscope-us": "qwen-us",
    "glm": "zhipu",
    "google": "gemini",
    "gpt": "openai",
    "kimi-code": "kimi-coding",
    "opencode-zen": "opencode",
    "qwen": "qwen-portal",
    "qwen-coding": "coding-plan",
    "qwen-international": "qwen-intl",
    "z-ai": "zai",
    "z.ai": "zai",
}
"""Other names of a provider, in lower case, and the one that counts."""


def normalise_provider(name: str) -> str:
    """Return the one name of a provider: trimmed, lower case, aliases resolved."""
    name = name.strip().lower()
    return PROVIDER_ALIASES.get(name, name)


@frozen(order=True)
class ModelRef:
    """A model as people write it: ``provider/model``.

    >>> ModelRef.parse("Claude/claude-haiku-4-5")
    ModelRef(provider='anthropic', model='claude-haiku-4-5')
    >>> str(ModelRef.parse("llama3", default_provider="ollama"))
    'ollama/llama3'
    """

    provider: str
    model: str

    @classmethod
    def parse(cls, text: str, default_provider: str | None = None) -> ModelRef:
        """Read a reference; the first ``/`` divides provider and model.

        Without a ``/`` (or with nothing before it) the default provider applies. The model's own spelling is
        kept, further slashes included.

        Raises:
            ValueError: if the model is missing, or the provider is and there is no default.

        """
        head, slash, tail = text.strip().partition("/")
        provider, model = (head, tail) if slash else ("", head)
        provider = normalise_provider(provider) or normalise_provider(default_provider or "")
        model = model.strip()
        if not model:
            raise ValueError(f"{text!r} names no model; write it as provider/model, such as openai/gpt-4o")
        if not provider:
            raise ValueError(
                f"{text!r} names no provider and there is no default provider; write it as provider/{model}"
            )
        return cls(provider, model)

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


@frozen(order=True, cache_hash=True)
class ModelKey:
    """The identity of one candidate.

    `name` is the configured entry's (``glm-4.7``, ``glm-4.7__key_1``); for a reference that no entry
    configures it is ``provider/model`` itself. `credential` is the label of the credential, ``None`` where
    there is none; it is never the secret.
    """

    name: str
    provider: str
    model: str
    credential: str | None = None

    @property
    def ref(self) -> ModelRef:
        """What this key asks its provider for."""
        return ModelRef(self.provider, self.model)

    def __str__(self) -> str:
        ref = f"{self.provider}/{self.model}"
        return self.name if self.name == ref else f"{self.name} ({ref})"
