"""The providers by the names that pydantic-ai gives them: what each needs, and which of our two readers asks it.

Whatever speaks chat-completions goes through the lean reader (`chat_completions.py`), everything else through the
library (`library.py`). `openai:` is OpenAI's Responses API, as the library names it; with an OPENAI_BASE_URL that
leads elsewhere it means chat-completions, the wire that every compatible server has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Provider:
    """`keys`: any one of these variables is the credential. `needs`: all of these must be set besides.

    `url` is where chat-completions are asked for, `url_name` the variable that says so instead; both are empty for
    what the library asks. `extra` names the library's optional package, where it needs one that is not installed.
    """

    label: str
    keys: tuple[str, ...] = ()
    url: str = ""
    url_name: str = ""
    key_required: bool = True
    needs: tuple[str, ...] = ()
    prices: str = ""
    reports_usage_unasked: bool = False

    @property
    def is_lean(self) -> bool:
        return bool(self.url or self.url_name)

    def base_url(self, environment: Mapping[str, str]) -> str:
        return environment.get(self.url_name, "").strip() or self.url

    def key(self, environment: Mapping[str, str]) -> str:
        return next((key for name in self.keys if (key := environment.get(name, "").strip())), "")

    def missing(self, environment: Mapping[str, str]) -> str:
        """What has to be set before this provider can be asked, in words; empty when nothing is missing."""
        absent = [name for name in self.needs if not environment.get(name, "").strip()]
        own_server = bool(self.url_name and environment.get(self.url_name, "").strip())
        if self.is_lean and not self.base_url(environment):
            absent.append(self.url_name)
        if self.keys and self.key_required and not own_server and not self.key(environment):
            absent.append(" or ".join(self.keys))
        return " and ".join(absent)


CHAT_COMPLETIONS: dict[str, Provider] = {
    "openai-chat": Provider(
        "The OpenAI-compatible server",
        ("OPENAI_API_KEY",),
        OPENAI_URL,
        "OPENAI_BASE_URL",
        prices="openai",
    ),
    "alibaba": Provider(
        "Alibaba",
        ("ALIBABA_API_KEY", "DASHSCOPE_API_KEY"),
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    ),
    "cerebras": Provider("Cerebras", ("CEREBRAS_API_KEY",), "https://api.cerebras.ai/v1"),
    "crusoe": Provider("Crusoe", ("CRUSOE_API_KEY",), "https://api.inference.crusoecloud.com/v1"),
    "deepseek": Provider("DeepSeek", ("DEEPSEEK_API_KEY",), "https://api.deepseek.com"),
    "fireworks": Provider("Fireworks", ("FIREWORKS_API_KEY",), "https://api.fireworks.ai/inference/v1"),
    "github": Provider("GitHub Models", ("GITHUB_API_KEY",), "https://models.github.ai/inference"),
    "groq": Provider("Groq", ("GROQ_API_KEY",), "https://api.groq.com/openai/v1"),
    "huggingface": Provider("Hugging Face", ("HF_TOKEN",), "https://router.huggingface.co/v1"),
    "mistral": Provider(
        "Mistral", ("MISTRAL_API_KEY",), "https://api.mistral.ai/v1", reports_usage_unasked=True
    ),
    "moonshotai": Provider(
        "Moonshot", ("MOONSHOTAI_API_KEY",), "https://api.moonshot.ai/v1", "MOONSHOTAI_BASE_URL"
    ),
    "nebius": Provider("Nebius", ("NEBIUS_API_KEY",), "https://api.studio.nebius.com/v1"),
    "ollama": Provider(
        "Ollama", ("OLLAMA_API_KEY",), "http://127.0.0.1:11434/v1", "OLLAMA_BASE_URL", key_required=False
    ),
    "openrouter": Provider("OpenRouter", ("OPENROUTER_API_KEY",), "https://openrouter.ai/api/v1"),
    "ovhcloud": Provider(
        "OVHcloud", ("OVHCLOUD_API_KEY",), "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1"
    ),
    "sambanova": Provider(
        "SambaNova", ("SAMBANOVA_API_KEY",), "https://api.sambanova.ai/v1", "SAMBANOVA_BASE_URL"
    ),
    "together": Provider("Together", ("TOGETHER_API_KEY",), "https://api.together.xyz/v1"),
    "vercel": Provider(
        "Vercel AI Gateway",
        ("VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"),
        "https://ai-gateway.vercel.sh/v1",
    ),
    "vllm": Provider("vLLM", ("VLLM_API_KEY",), "", "VLLM_BASE_URL", key_required=False),
    "xai": Provider("xAI", ("XAI_API_KEY",), "https://api.x.ai/v1", prices="x-ai"),
    "zai": Provider("Z.AI", ("ZAI_API_KEY",), "https://api.z.ai/api/paas/v4"),
}

LIBRARY: dict[str, Provider] = {
    "anthropic": Provider("Anthropic", ("ANTHROPIC_API_KEY",)),
    "google": Provider("Google", ("GOOGLE_API_KEY", "GEMINI_API_KEY")),
    "google-cloud": Provider("Google Cloud", needs=("GOOGLE_CLOUD_PROJECT",), prices="google"),
    "openai": Provider("OpenAI", ("OPENAI_API_KEY",)),
    "openai-responses": Provider("OpenAI", ("OPENAI_API_KEY",), prices="openai"),
    "azure": Provider(
        "Azure OpenAI", ("AZURE_OPENAI_API_KEY",), needs=("AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION")
    ),
    "heroku": Provider("Heroku", ("HEROKU_INFERENCE_KEY",)),
    "meta": Provider("Meta", ("META_API_KEY",)),
    "snowflake": Provider("Snowflake", ("SNOWFLAKE_TOKEN",), needs=("SNOWFLAKE_ACCOUNT",)),
}

# Names that older versions of the library had.
ALIASES = {"google-gla": "google", "google-vertex": "google-cloud", "grok": "xai"}


def find_provider(prefix: str, environment: Mapping[str, str]) -> tuple[str, Provider | None]:
    """Who is asked for models named `prefix:...`, with the name the library has for it now; None when unknown."""
    prefix = ALIASES.get(prefix, prefix)
    if prefix == "openai" and is_elsewhere(environment.get("OPENAI_BASE_URL", "").strip()):
        prefix = "openai-chat"
    return prefix, CHAT_COMPLETIONS.get(prefix) or LIBRARY.get(prefix)


def is_elsewhere(url: str) -> bool:
    """Whether this address of "OpenAI" is another server's."""
    host = urlsplit(url).hostname or ""
    return bool(url) and host != "openai.com" and not host.endswith(".openai.com")
