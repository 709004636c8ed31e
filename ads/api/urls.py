"""Routes under `/functions/v1`, without a slash at the end."""

from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from ads.api.advertiser_urls import urlpatterns as advertiser_routes
from ads.api.base import UnknownAddress
from ads.api.capabilities import Search
from ads.api.decide import Decide
from ads.api.developers import Balance, SignUp, TestClock
from ads.api.document import OpenAPIDocument
from ads.api.events import Event, track_click
from ads.api.feedback import GiveFeedback
from ads.api.impressions import TrackImpression
from ads.api.ledger_health import LedgerHealth
from ads.api.outcomes import RateBusiness, ServiceResult
from ads.api.receipts import Receipt, ReceiptKeys
from ads.api.reference import Categories, Policy
from ads.api.reports import DeveloperReports
from ads.api.sessions import EitherFeedback, EndSession, SendMessage, StartSession

urlpatterns = [
    path("decide", Decide.as_view()),
    path("feedback", GiveFeedback.as_view()),
    path("service-result", ServiceResult.as_view()),
    path("rate-business", RateBusiness.as_view()),
    path("agent-signup", SignUp.as_view()),
    path("balance", Balance.as_view()),
    path("test/clock", TestClock.as_view()),
    path("policy", Policy.as_view()),
    path("categories", Categories.as_view()),
    path("event", Event.as_view()),
    path("api-v1/search", Search.as_view()),
    path("api-v1/session/start", StartSession.as_view()),
    path("api-v1/session/message", SendMessage.as_view()),
    path("api-v1/session/end", EndSession.as_view()),
    path("api-v1/feedback", EitherFeedback.as_view()),
    path("api-v1/openapi.json", OpenAPIDocument.as_view()),
    path("track-click/<str:token>", csrf_exempt(track_click)),
    path("track-impression/<str:token>", TrackImpression.as_view()),
    path("reports", DeveloperReports.as_view()),
    path("decisions/<str:decision_id>/receipt", Receipt.as_view()),
    path("receipts/keys", ReceiptKeys.as_view()),
    path("ledger/health", LedgerHealth.as_view()),
    *advertiser_routes,
    re_path(r"^.*$", UnknownAddress.as_view()),
]
