"""How the admin looks: django-unfold's settings (https://unfoldadmin.com/docs/configuration/settings/)."""

from typing import Any

from django.templatetags.static import static


def _style(request: Any) -> str:
    return static("penguin_site/staff/staff.css")


def _script(request: Any) -> str:
    return static("penguin_site/staff/staff.js")


def _icon(request: Any) -> str:
    return static("penguin_site/icon.svg")


UNFOLD = {
    "SITE_TITLE": "Penguin",
    "SITE_HEADER": "Penguin",
    "SITE_SUBHEADER": "Agents, tasks and ads",
    "SITE_SYMBOL": "ac_unit",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "SITE_URL": "/",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "DASHBOARD_CALLBACK": "penguin_site.staff.dashboard.add_to",
    "STYLES": [_style],
    "SCRIPTS": [_script],
    "COLORS": {
        "base": {
            "50": "oklch(98.4% .003 247.9)",
            "100": "oklch(96.8% .007 247.9)",
            "200": "oklch(92.9% .013 255.5)",
            "300": "oklch(86.9% .022 252.9)",
            "400": "oklch(70.4% .04 256.8)",
            "500": "oklch(53% .046 257.4)",
            "600": "oklch(44.6% .043 257.3)",
            "700": "oklch(37.2% .044 257.3)",
            "800": "oklch(27.9% .041 260)",
            "900": "oklch(20.8% .042 265.8)",
            "950": "oklch(12.9% .042 264.7)",
        },
        "primary": {
            "50": "oklch(97.1% .013 233)",
            "100": "oklch(94% .03 235)",
            "200": "oklch(89% .058 238)",
            "300": "oklch(82% .1 240)",
            "400": "oklch(74% .14 243)",
            "500": "oklch(66% .15 246)",
            "600": "oklch(51% .14 250)",
            "700": "oklch(46% .13 251)",
            "800": "oklch(40% .11 252)",
            "900": "oklch(35% .09 253)",
            "950": "oklch(27% .07 254)",
        },
        "font": {
            "subtle-light": "var(--color-base-500)",
            "subtle-dark": "var(--color-base-400)",
            "default-light": "var(--color-base-600)",
            "default-dark": "var(--color-base-300)",
            "important-light": "var(--color-base-900)",
            "important-dark": "var(--color-base-100)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "penguin_site.staff.navigation.sidebar",
    },
}
