"""Moments as they sort, in UTC: https://docs.djangoproject.com/en/5.2/topics/i18n/formatting/."""

DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "Y-m-d H:i"
