"""`POST /api/v1/auth/ticket`: for browsers and other clients that cannot send a header when they open a socket."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from penguin_site import principals


class TicketOutput(serializers.Serializer):
    ticket = serializers.CharField(help_text="Goes into `?ticket=` of one socket or event stream.")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class MakeTicket(APIView):
    """A ticket opens one socket or event stream as the caller, within 30 seconds."""

    required_scopes = {"POST": None}  # a socket can do nothing that the caller's scopes do not allow

    @extend_schema(
        operation_id="make_ticket",
        tags=["service"],
        request=None,
        responses={200: TicketOutput},
        examples=[
            OpenApiExample("ticket", value={"ticket": "0KZ0...", "expires_in": 30}, response_only=True)
        ],
    )
    def post(self, request: Request) -> Response:
        ticket = principals.make_ticket(request.auth, now=timezone.now())
        return Response({"ticket": ticket, "expires_in": principals.TICKET_SECONDS})
