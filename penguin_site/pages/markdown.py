"""Markdown of a model as HTML that can run nothing: no HTML of the text's own, no images, links to the web only.

Two guards, each enough by itself: the renderer escapes HTML, and what it has made passes a sanitiser that knows a short
list of elements. Code is highlighted with classes, as the pages allow no inline styles.
"""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name

# A longer text is shown as it is: making HTML of it would hold up everybody else.
MOST_CHARACTERS = 60_000
# Of a text, so much code is highlighted; what goes beyond it is shown in one colour.
MOST_HIGHLIGHTED = 20_000

# Languages and their lexers. Only lexers that hostile text of this length cannot keep busy: those for C, C++, C#, Java
# and make take seconds for some kilobytes of nothing. TypeScript's knows enough of four of them.
_LEXERS = {
    **{name: name for name in (
        "bash", "css", "diff", "docker", "go", "html", "javascript", "json", "jsx", "kotlin", "php", "python", "ruby",
        "rust", "sql", "swift", "toml", "tsx", "typescript", "xml", "yaml",
    )},
    **dict.fromkeys(("c", "c++", "c#", "cpp", "csharp", "java", "ts"), "typescript"),
    **dict.fromkeys(("console", "sh", "shell", "zsh"), "bash"),
    "dockerfile": "docker", "golang": "go", "js": "javascript", "py": "python", "python3": "python", "rb": "ruby",
    "rs": "rust", "yml": "yaml",
}  # fmt: skip
_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "pre": {"data-language"},
    "span": {"class"},
    "td": {"class"},
    "th": {"class"},
}
_ALIGNED = re.compile(r"text-align:(left|center|right)")


def to_html(text: str) -> str | None:
    """The text as safe HTML; None when it is too long to be made into any."""
    if len(text) > MOST_CHARACTERS:
        return None
    return nh3.clean(
        _parser().render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True})
    # An image would be fetched from wherever the text says.
    parser.enable(["table", "strikethrough"]).disable("image")
    parser.core.ruler.push("alignment", _align_by_class)
    parser.add_render_rule("fence", _code_block)
    parser.add_render_rule("code_block", _code_block)
    return parser


def _align_by_class(state: Any) -> None:
    for token in state.tokens:
        if token.type in ("th_open", "td_open") and (
            found := _ALIGNED.match(str(token.attrGet("style") or ""))
        ):
            token.attrSet("class", found[1])


def _code_block(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    language = re.sub(r"[^\w+#.-]", "", (token.info.split() or [""])[0])[:30]
    label = f' data-language="{escape(language)}"' if language else ""
    env["code"] = env.get("code", 0) + len(token.content)
    lexer = _LEXERS.get(language.lower()) if env["code"] <= MOST_HIGHLIGHTED else None
    return f"<pre{label}><code>{_coloured(token.content, lexer)}</code></pre>\n"


def _coloured(code: str, lexer: str | None) -> str:
    if lexer is None:
        return escape(code)
    formatter = HtmlFormatter(nowrap=True, classprefix="hl-")
    return str(highlight(code, get_lexer_by_name(lexer, stripnl=False), formatter))
