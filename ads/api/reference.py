"""What everybody may look up: the rules of the marketplace and its categories."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from ads import categories, policy
from ads.api.access import NoKey
from ads.api.base import AdsView
from ads.api.schema import obj, operation
from ads.core.category_tree import Category
from ads.unit_bodies import LABEL
from penguin_site.errors import InvalidField

POLICY: dict[str, Any] = {
    "version": "2026-05",
    "disclosure": {"required": True, "label": LABEL, "require_sponsor_name": True},
    "defaults": {"max_units_per_response": 5, "blocked_categories": []},
    "unit_rules": {
        "title_max_characters": 100,
        "body_max_characters": 300,
        "cta_max_characters": 40,
        "landing_url": "https, a public host, no address and no port",
        "review": "Every ad is read by a person before it is shown, and again after every change of its words.",
    },
}


class Policy(AdsView):
    authentication_classes = [NoKey]

    @operation(
        "policy",
        "The rules by which ads are shown",
        answer=obj("version disclosure defaults unit_rules", version="string", disclosure="object", defaults="object",
                   unit_rules="object"),
        example=POLICY,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        blocked = [_as_number(category_id) for category_id in policy.blocked_categories()]
        return Response({**POLICY, "defaults": {**POLICY["defaults"], "blocked_categories": blocked}})


class Categories(AdsView):
    authentication_classes = [NoKey]

    @operation(
        "categories",
        "The categories that ads and requests are given",
        parameters=[
            OpenApiParameter("tier", {"type": "integer", "minimum": 1, "maximum": 4}),
            OpenApiParameter("parent_id", str),
            OpenApiParameter("search", str, description="Part of the full path, in any case."),
        ],
        answer=obj(
            "version source url total categories",
            version="string", source="string", url="string", total="integer",
            categories={
                "type": "array",
                "items": obj(
                    "id name full_path parent_id",
                    id={"type": ["integer", "string"]}, name="string", full_path="string",
                    parent_id={"type": ["integer", "string", "null"]},
                ),
            },
        ),
        example={
            "version": categories.VERSION, "source": categories.SOURCE, "url": categories.URL, "total": 1,
            "categories": [
                {"id": 1354, "name": "Tax Preparation Services", "parent_id": 1335,
                 "full_path": "Finance and Insurance > Tax Preparation Services"},
            ],
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        query = request.query_params
        tier, parent_id = query.get("tier"), query.get("parent_id")
        if tier is not None and tier not in ("1", "2", "3", "4"):
            raise InvalidField("tier", "must be from 1 to 4")
        search = query.get("search", "").casefold()
        found = [
            _body(category)
            for category in categories.tree().by_id.values()
            if (tier is None or category.tier == int(tier))
            and (parent_id is None or category.parent_id == parent_id)
            and search in category.full_path.casefold()
        ]
        return Response(
            {
                "version": categories.VERSION,
                "source": categories.SOURCE,
                "url": categories.URL,
                "total": len(found),
                "categories": found,
            }
        )


def _body(category: Category) -> dict[str, Any]:
    return {
        "id": _as_number(category.id),
        "name": category.name,
        "full_path": category.full_path,
        "parent_id": None if category.parent_id is None else _as_number(category.parent_id),
    }


def _as_number(identifier: str) -> int | str:
    return int(identifier) if identifier.isdigit() else identifier
