"""Whose mail address it is: nobody is shown, or paid for, the ads of their own organisation."""

# Providers where strangers share a domain: it says nothing about who somebody works for.
_SHARED = {
    "aol.com", "fastmail.com", "gmail.com", "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hey.com", "hotmail.com",
    "icloud.com", "live.com", "mac.com", "mail.com", "mail.ru", "me.com", "msn.com", "naver.com", "outlook.com",
    "pm.me", "proton.me", "protonmail.com", "qq.com", "163.com", "web.de", "yahoo.com", "yandex.com", "yandex.ru",
    "zoho.com",
}  # fmt: skip


def organisation_of(email: str) -> str:
    """The domain of an address; empty for providers whose users have nothing to do with each other."""
    domain = email.rpartition("@")[2].strip().rstrip(".").lower()
    return "" if domain in _SHARED else domain
