"""Which models can be named, what is missing when one cannot be asked, and what is known of the others."""

import pytest
from pydantic_ai.providers import infer_provider_class

from conversations.llm import pricing, registry
from conversations.llm.chat_completions import ChatCompletionsClient
from conversations.llm.library import LibraryClient
from conversations.llm.providers import CHAT_COMPLETIONS, LIBRARY
from conversations.llm.wire import Usage
from penguin_site.errors import DomainError

KEY = "sk-very-secret"
CREDENTIALS = {
    name
    for provider in (*CHAT_COMPLETIONS.values(), *LIBRARY.values())
    for name in (*provider.keys, *provider.needs, provider.url_name)
    if name
}


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("prefix", sorted({*CHAT_COMPLETIONS, *LIBRARY}))
def test_every_provider_has_the_name_the_library_gives_it(prefix: str) -> None:
    try:
        infer_provider_class(prefix)
    except ImportError:
        # Known to the library, and asked without its optional package: by the lean reader.
        assert prefix in CHAT_COMPLETIONS


@pytest.mark.parametrize("prefix", sorted(LIBRARY))
def test_what_the_library_asks_can_be_made_with_what_we_say_is_needed(prefix: str, monkeypatch) -> None:
    provider = LIBRARY[prefix]
    for name in (*provider.keys[:1], *provider.needs):
        monkeypatch.setenv(name, KEY)
    assert isinstance(registry.client_for(f"{prefix}:some-model"), LibraryClient)


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("gpt-4o", "unknown_model", "provider:model"),
        ("", "unknown_model", "provider:model"),
        (":", "unknown_model", "provider:model"),
        ("openai-chat:", "unknown_model", "provider:model"),
        ("openai-chat:a\nb", "unknown_model", "provider:model"),
        ("openai-chat:" + "x" * 300, "unknown_model", "provider:model"),
        ("nobody:model", "unknown_model", "no model provider 'nobody'"),
        ("Local", "unknown_model", "provider:model"),
        ("openai-chat:m", "missing_credentials", "OPENAI_API_KEY"),
        ("openai:m", "missing_credentials", "OPENAI_API_KEY"),
        ("anthropic:m", "missing_credentials", "ANTHROPIC_API_KEY"),
        ("google:m", "missing_credentials", "GOOGLE_API_KEY or GEMINI_API_KEY"),
        ("google-gla:m", "missing_credentials", "GOOGLE_API_KEY or GEMINI_API_KEY"),
        ("openrouter:a/b", "missing_credentials", "OPENROUTER_API_KEY"),
        ("vllm:m", "missing_credentials", "VLLM_BASE_URL"),
        (
            "azure:m",
            "missing_credentials",
            "AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION and AZURE_OPENAI_API_KEY",
        ),
    ],
)
def test_models_that_cannot_be_asked(name: str, code: str, says: str, settings) -> None:
    settings.PENGUIN_MODEL = name
    with pytest.raises(DomainError) as caught:
        registry.resolve(None)
    assert (caught.value.status, caught.value.code) == (400, code)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("name", "variables", "client"),
    [
        ("openai-chat:m", {"OPENAI_API_KEY": KEY}, ChatCompletionsClient),
        ("openai-chat:m", {"OPENAI_BASE_URL": "http://gpu:8000/v1"}, ChatCompletionsClient),  # needs no key
        ("openai:m", {"OPENAI_API_KEY": KEY}, LibraryClient),  # the Responses API
        ("openai:m", {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://api.openai.com/v1"}, LibraryClient),
        ("openai:m", {"OPENAI_BASE_URL": "http://gpu:8000/v1"}, ChatCompletionsClient),  # a compatible server
        ("openai-responses:m", {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://gpu/v1"}, LibraryClient),
        ("ollama:qwen3:4b", {}, ChatCompletionsClient),
        ("openrouter:a/b", {"OPENROUTER_API_KEY": KEY}, ChatCompletionsClient),
        ("vllm:m", {"VLLM_BASE_URL": "http://gpu:8000/v1"}, ChatCompletionsClient),
        ("anthropic:m", {"ANTHROPIC_API_KEY": KEY}, LibraryClient),
        ("google:m", {"GEMINI_API_KEY": KEY}, LibraryClient),
    ],
)
def test_which_client_asks(name: str, variables: dict, client: type, monkeypatch) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert registry.resolve(name) == name
    found = registry.client_for(name)
    assert isinstance(found, client)
    assert registry.client_for(name) is found
    assert KEY not in repr(vars(found))


def test_the_default_and_the_local_model_are_offered(settings, monkeypatch) -> None:
    settings.PENGUIN_MODEL = "anthropic:claude-fable-5-1"
    assert [info.name for info in registry.usable_models()] == ["local"]
    assert registry.usable_providers() == {}
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert [info.name for info in registry.usable_models()] == ["anthropic:claude-fable-5-1", "local"]
    assert registry.usable_providers() == {"anthropic": "Anthropic"}


def test_the_local_model_claims_nothing_it_cannot() -> None:
    info = registry.model_info("local")
    assert (info.context_window, info.vision, info.tools, info.reasoning, info.is_local) == (
        4096, False, False, False, True,
    )  # fmt: skip


def test_without_its_packages_the_local_model_is_unknown(monkeypatch) -> None:
    monkeypatch.setattr(registry, "_LOCAL_PACKAGES", ("no_such_package",))
    with pytest.raises(registry.UnknownModel, match=r"requirements-model\.txt"):
        registry.resolve("local")


@pytest.mark.parametrize(
    ("name", "window", "vision", "reasoning"),
    [
        ("openai-chat:gpt-4o", 128_000, True, False),
        ("anthropic:claude-sonnet-4-5", 200_000, True, True),
        ("google:gemini-2.5-flash", 1_048_576, True, True),
        ("openai-chat:gpt-3.5-turbo", 16_385, False, False),
        ("deepseek:deepseek-reasoner", 64_000, False, True),
        ("ollama:llama3.1", 128_000, False, False),
        ("openai-chat:who-knows", 128_000, True, False),  # a common size
    ],
)
def test_what_is_known_of_hosted_models(name: str, window: int, vision: bool, reasoning: bool) -> None:
    info = registry.model_info(name)
    assert (info.context_window, info.vision, info.reasoning) == (window, vision, reasoning)
    assert (info.provider, info.tools, info.is_local) == (name.partition(":")[0], True, False)


def test_the_window_can_be_set_for_servers_that_nobody_knows(settings) -> None:
    settings.PENGUIN_CONTEXT_WINDOW = 8192
    assert registry.model_info("ollama:llama3.1").context_window == 8192
    assert registry.model_info("local").context_window == 4096


@pytest.mark.parametrize(
    ("name", "usage", "micros"),
    [
        ("openai-chat:gpt-4o", Usage(1_000_000, 0), 2_500_000),
        ("openai-chat:gpt-4o", Usage(1000, 500), 7500),
        (
            "openai-chat:gpt-4o",
            Usage(1000, 500, reasoning_tokens=400),
            7500,
        ),  # reasoning is part of the output
        ("openai-chat:gpt-4o", Usage(1000, 500, cache_read_tokens=400), 7000),
        ("openai-chat:gpt-4o", Usage(1, 0), 3),  # 2.5 rounded up
        ("openai-chat:gpt-4o", Usage(), 0),
        ("openai-chat:gpt-4o", Usage(10, 0, cache_read_tokens=50), 13),  # more cached than sent: as sent
        ("anthropic:claude-sonnet-4-5", Usage(1000, 100, cache_write_tokens=500), 4875),
        ("openai-chat:who-knows", Usage(1000, 500), None),
        ("nobody:gpt-4o", Usage(1000, 500), None),
        ("ollama:llama3.1", Usage(1000, 500), None),
        ("local", Usage(1000, 500), 0),
    ],
)
def test_cost(name: str, usage: Usage, micros: int | None) -> None:
    assert pricing.cost_micros(name, usage) == micros


def test_another_server_has_not_openais_prices(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu:8000/v1")
    assert pricing.cost_micros("openai-chat:gpt-4o", Usage(1000, 500)) is None
    assert registry.model_info("openai-chat:gpt-3.5-turbo").context_window == 128_000
