"""How REST bodies are read and answers written.

REST framework's views read these classes from the settings while they are imported: nothing here may import them.
"""

from typing import Any

import orjson
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from penguin_site.core.body_limits import DEFAULT_BYTES
from penguin_site.core.json_body import InvalidJSON, parse_object
from penguin_site.errors import InvalidRequest, PayloadTooLarge


class BadJSON(InvalidRequest):
    """The body is not valid JSON."""

    code = "invalid_json"


class JSONParser(BaseParser):
    """A JSON object, read strictly (see `core/json_body.py`)."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        body = stream.read(DEFAULT_BYTES + 1)
        if len(body) > DEFAULT_BYTES:
            raise PayloadTooLarge(f"The body is larger than {DEFAULT_BYTES} bytes.")
        try:
            return parse_object(body)
        except InvalidJSON as error:
            raise BadJSON(str(error)) from None


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        if data is None:
            return b""
        return orjson.dumps(data, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


class AlwaysJSON(BaseContentNegotiation):
    """An API client gets the view's first form whatever it accepts: nobody's `Accept` makes a 406."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
