"""Routes under `/functions/v1/advertiser`."""

from django.urls import path

from ads.api.ad_units import CampaignUnits, SubmitUnit, UnitDetail
from ads.api.advertisers import Account, Keys, RotateKey, WalletStatement
from ads.api.campaigns import CampaignDetail, Campaigns
from ads.api.conversions import Conversions
from ads.api.reports import AdvertiserReports, CampaignAuctions, SimulateBid

urlpatterns = [
    path("advertiser", Account.as_view()),
    path("advertiser/keys", Keys.as_view()),
    path("advertiser/keys/rotate", RotateKey.as_view()),
    path("advertiser/wallet", WalletStatement.as_view()),
    path("advertiser/campaigns", Campaigns.as_view()),
    path("advertiser/campaigns/<uuid:campaign_id>", CampaignDetail.as_view()),
    path("advertiser/campaigns/<uuid:campaign_id>/units", CampaignUnits.as_view()),
    path("advertiser/campaigns/<uuid:campaign_id>/auctions", CampaignAuctions.as_view()),
    path("advertiser/campaigns/<uuid:campaign_id>/simulate", SimulateBid.as_view()),
    path("advertiser/conversions", Conversions.as_view()),
    path("advertiser/reports", AdvertiserReports.as_view()),
    path("advertiser/units/<uuid:unit_id>", UnitDetail.as_view()),
    path("advertiser/units/<uuid:unit_id>/submit", SubmitUnit.as_view()),
]
