"""How the admin looks: django-unfold's settings (https://unfoldadmin.com/docs/configuration/settings/)."""

UNFOLD = {
    "SITE_TITLE": "Penguin",
    "SITE_HEADER": "Penguin",
    "SITE_SUBHEADER": "Agents, tasks and ads",
    "SITE_URL": "/",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
}
