"""A creating POST that is repeated with the same Idempotency-Key happens once and is answered alike."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from django.db import connection, transaction
from rest_framework.request import Request
from rest_framework.response import Response

from penguin_site.core.idempotency_keys import MAX_KEY_LENGTH, is_usable
from penguin_site.errors import Conflict, InvalidRequest
from penguin_site.models import StoredAnswer

KEPT_HOURS = 24
Handler = Callable[..., Response]

# Whoever comes second with a key waits here, on the unique index, until the first has committed (then it gets no row)
# or rolled back (then it is the first). An answer that is too old is taken over.
_CLAIM = f"""
INSERT INTO stored_answer AS answer (user_id, route, key, body_hash, body)
VALUES (%s, %s, %s, %s, '')
ON CONFLICT (user_id, route, key) DO UPDATE
    SET body_hash = EXCLUDED.body_hash, status = NULL, body = '', created_at = now()
    WHERE answer.created_at < now() - interval '{KEPT_HOURS} hours'
RETURNING id
"""


class IdempotencyMismatch(Conflict):
    """This Idempotency-Key was used for another request before."""

    code = "idempotency_mismatch"


def idempotent(handler: Handler) -> Handler:
    """For a DRF handler: with an `Idempotency-Key` header the work and its answer are one transaction.

    Same user, route, key and body: the stored answer again, with `Idempotency-Replayed: true`. An error stores
    nothing, so the request can be tried again. A view whose answer is more than its status and body (one that waits)
    has a method `replayed(request, response)` that returns the response completed.
    """

    @wraps(handler)
    def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return handler(view, request, *args, **kwargs)
        if not is_usable(key):
            raise InvalidRequest(f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters.")
        with transaction.atomic():
            answer, is_new = _claim(request, key)
            if is_new:
                return _do(answer, handler, view, request, args, kwargs)
        response = Response(
            orjson.loads(answer.body), status=answer.status, headers={"Idempotency-Replayed": "true"}
        )
        complete = getattr(view, "replayed", None)
        return complete(request, response) if complete else response

    wrapper.is_idempotent = True  # type: ignore[attr-defined]  # the OpenAPI document names the header
    return wrapper


def _claim(request: Request, key: str) -> tuple[StoredAnswer, bool]:
    body_hash = _body_hash(request)
    place = (request.user.pk, f"{request.method} {request.path}"[:300], key)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [*place, body_hash])
        claimed = cursor.fetchone()
    answer = StoredAnswer.objects.get(user_id=place[0], route=place[1], key=key)
    if not claimed and bytes(answer.body_hash) != body_hash:
        raise IdempotencyMismatch
    return answer, claimed is not None


def _do(
    answer: StoredAnswer, handler: Handler, view: Any, request: Request, args: Any, kwargs: Any
) -> Response:
    response = handler(view, request, *args, **kwargs)
    if response.status_code >= 400:
        transaction.set_rollback(True)
        return response
    body = orjson.dumps(response.data, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    StoredAnswer.objects.filter(pk=answer.pk).update(status=response.status_code, body=body.decode())
    return response


def _body_hash(request: Request) -> bytes:
    """Of what the body says, not of its spelling: a client may order its keys differently the second time."""
    digest = hashlib.sha256(request.META.get("QUERY_STRING", "").encode())
    data = request.data
    if hasattr(data, "lists"):
        for name, values in sorted(data.lists()):
            for value in values:
                is_file = hasattr(value, "chunks")
                digest.update(f"\0{name}\0{value.name if is_file else value}\0".encode())
                if is_file:
                    for chunk in value.chunks():
                        digest.update(chunk)
                    value.seek(0)
    else:
        digest.update(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))
    return digest.digest()
