"""The readable text of an HTML page: headings, lists, links and tables as Markdown; no scripts, styles or markup.

Reads tags and text in one pass over the page, in time linear to its length whatever it holds: pages come from
strangers. (Python's own parser takes quadratic time for some.)
"""

import html
import re
from urllib.parse import urljoin

# Each try ends at the next `<` at the latest, and nothing backtracks.
_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s<>/]*+)((?>[^<>"']++|"[^"<]*+"|'[^'<]*+')*+)>""")
_NO_TAGS = re.compile(r"<++")
_ATTRIBUTE = re.compile(r"""([^\s"'=/]++)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s"']++))?+""")
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_EMPTY_LINES = re.compile(r"\n{3,}")

# Their content is not for readers. The text of the first ones is no markup.
_RAW = {"script", "style", "textarea", "noembed", "noframes", "iframe", "xmp"}
_SKIPPED = {"noscript", "template", "svg", "math", "object", "select", "dialog", "canvas", "audio", "video"}
# Their end tags may be missing: where they began to be left out, nobody could say where that ends.
_OPTIONAL_END = {"p", "li", "td", "th", "tr", "dt", "dd", "option", "html", "body"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_PARAGRAPHS = {
    "p",
    "blockquote",
    "table",
    "ul",
    "ol",
    "dl",
    "pre",
    "figure",
    "article",
    "section",
    "main",
    *_HEADINGS,
}
_LINES = {
    "div",
    "li",
    "tr",
    "dt",
    "dd",
    "header",
    "footer",
    "nav",
    "aside",
    "form",
    "address",
    "caption",
    "details",
}
_LINES |= {"summary", "figcaption", "fieldset", "option", "body", "center"}


def readable_text(page: str, *, url: str = "") -> str:
    """The page's text. `url`: where it is from, which makes its links whole."""
    reader = _Reader(url)
    _tokenise(page, reader)
    return reader.text()


def _tokenise(page: str, reader: "_Reader") -> None:
    position = 0
    while position < len(page):
        start = page.find("<", position)
        if start != position:
            reader.take_text(html.unescape(page[position : start if start >= 0 else len(page)]))
            if start < 0:
                return
        position = _markup(page, start, reader)


def _markup(page: str, start: int, reader: "_Reader") -> int:
    """Takes what begins with `<`; where to go on."""
    if page.startswith("<!--", start):
        return _behind(page, "-->", start + 4)
    if page.startswith(("<!", "<?"), start):
        return _behind(page, ">", start)
    if tag := _TAG.match(page, start):
        name = tag[2].lower()
        if tag[1]:
            reader.close(name)
        else:
            reader.open(name, tag[3])
            if name in _RAW:
                return _behind_raw(page, name, tag.end())
        return tag.end()
    following = page[start + 1 : start + 3]
    if following[:1].isalpha() or (following[:1] == "/" and following[1:].isalpha()):
        # A tag with `<` in an attribute, or one that never ends: dropped up to there.
        found = page.find("<", start + 1)
        return found if found >= 0 else len(page)
    length = max(_NO_TAGS.match(page, start).end() - start - 1, 1)  # type: ignore[union-attr]
    reader.take_text("<" * length)
    return start + length


def _behind(page: str, end: str, start: int) -> int:
    found = page.find(end, start)
    return found + len(end) if found >= 0 else len(page)


def _behind_raw(page: str, name: str, start: int) -> int:
    """Behind the end tag of an element whose content is no markup."""
    end = re.compile(rf"</{name}[^>]*+>?+", re.IGNORECASE).search(page, start)
    return end.end() if end else len(page)


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(text):
        found.setdefault(name.lower(), html.unescape(value.strip("\"'")))
    return found


def _is_hidden(attributes: dict[str, str]) -> bool:
    """What a person does not see is often meant for machines only."""
    style = attributes.get("style", "").replace(" ", "").lower()
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or "display:none" in style
        or "visibility:hidden" in style
    )


class _Reader:
    def __init__(self, url: str) -> None:
        self._url = url
        self._out: list[str] = []
        self._skipping: list[str] = []  # open elements, from the one on that is left out
        self._pre = 0
        self._links: list[str] = []
        self._title: list[str] | None = None  # while it is open
        self._heading = ""
        self._is_line_start = True

    def text(self) -> str:
        joined = "".join(self._out)
        lines = (line.rstrip() for line in joined.split("\n"))
        body = _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")
        return f"# {self._heading}\n\n{body}".strip() if self._heading else body

    def take_text(self, text: str) -> None:
        if self._title is not None:
            self._title.append(text)
        elif self._skipping:
            pass
        elif self._pre:
            self._write(text)
        else:
            text = _BLANKS.sub(" ", text)
            self._write(text.lstrip(" ") if self._is_line_start else text)

    def open(self, name: str, attributes_text: str) -> None:
        is_empty = name in _VOID or (name in ("svg", "math") and attributes_text.endswith("/"))
        attributes = _attributes(attributes_text) if attributes_text else {}
        if self._skipping:
            # Only elements of the same name: others may lack their end tags.
            if name == self._skipping[0] and not is_empty:
                self._skipping.append(name)
        elif name in _SKIPPED or (name not in _OPTIONAL_END and _is_hidden(attributes)):
            if not is_empty:
                self._skipping.append(name)
        elif name == "title" and not self._heading:
            self._title = []
        else:
            self._break(name)
            self._open(name, attributes)

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        if name in _HEADINGS:
            self._write(_HEADINGS[name])
        elif name == "li":
            self._write("- ")
        elif name in ("td", "th") and not self._is_line_start:
            self._write(" | ")
        elif name == "pre":
            self._pre += 1
            self._write("```\n")
        elif name == "hr":
            self._write("---\n")
        elif name == "img" and attributes.get("alt"):
            self._write(f"[image: {_BLANKS.sub(' ', attributes['alt'])}]")
        elif name == "a":
            self._links.append(self._target(attributes.get("href", "")))
            if self._links[-1]:
                self._write("[")

    def close(self, name: str) -> None:
        if self._title is not None and name == "title":
            self._heading, self._title = _BLANKS.sub(" ", "".join(self._title)).strip(), None
        elif self._skipping:
            if name == self._skipping[-1]:
                self._skipping.pop()
        elif name == "a" and self._links:
            if target := self._links.pop():
                self._write(f"]({target})")
        elif name == "pre" and self._pre:
            self._pre -= 1
            self._write("" if self._is_line_start else "\n")
            self._write("```\n\n")
        elif name not in _VOID:
            self._break(name)

    def _break(self, name: str) -> None:
        if name == "br":
            self._write("\n")
        elif name in _PARAGRAPHS:
            self._write("\n\n")
        elif name in _LINES and not self._is_line_start:
            self._write("\n")

    def _target(self, href: str) -> str:
        if not href or href.startswith("#"):
            return ""
        try:
            target = urljoin(self._url, href.strip())
        except ValueError:
            return ""
        return target if target.startswith(("http://", "https://", "mailto:")) else ""

    def _write(self, text: str) -> None:
        if text:
            self._out.append(text)
            self._is_line_start = text.endswith("\n")
