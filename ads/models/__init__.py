"""Tables of the ads marketplace.

Locks are always taken in the order token -> session -> hold -> wallet -> campaign's total -> campaign's day -> bonus ->
accounts by id; of several rows of a table the one with the smaller key first.
"""

from ads.models.access import AdKey, FeatureSwitch
from ads.models.budgets import CampaignBudget, CampaignDay, Hold, Wallet
from ads.models.campaigns import Campaign
from ads.models.creations import CreationKey
from ads.models.decisions import Decision, DecisionKey, DecisionUnit, UnitVectors
from ads.models.events import AdEvent, EventId
from ads.models.feedback import Bonus, Conversion, Feedback
from ads.models.ledger import Account, LedgerCheck, LedgerTransaction, Posting
from ads.models.parties import Advertiser, Agent
from ads.models.payouts import Payout, PayoutBatch, PayoutResult
from ads.models.policy import BlockedCategory, PolicyPhrase
from ads.models.ratings import Rating
from ads.models.rollups import RolledDay, Rollup
from ads.models.services import ServiceTransaction
from ads.models.sessions import Session, SessionMessage
from ads.models.traffic import InvalidMark, TrafficReversal
from ads.models.units import AdUnit, Inventory, UnitReview

__all__ = [
    "Account",
    "AdEvent",
    "AdKey",
    "AdUnit",
    "Advertiser",
    "Agent",
    "BlockedCategory",
    "Bonus",
    "Campaign",
    "CampaignBudget",
    "CampaignDay",
    "Conversion",
    "CreationKey",
    "Decision",
    "DecisionKey",
    "DecisionUnit",
    "EventId",
    "FeatureSwitch",
    "Feedback",
    "Hold",
    "InvalidMark",
    "Inventory",
    "LedgerCheck",
    "LedgerTransaction",
    "Payout",
    "PayoutBatch",
    "PayoutResult",
    "PolicyPhrase",
    "Posting",
    "Rating",
    "RolledDay",
    "Rollup",
    "ServiceTransaction",
    "Session",
    "SessionMessage",
    "TrafficReversal",
    "UnitReview",
    "UnitVectors",
    "Wallet",
]
