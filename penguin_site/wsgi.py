"""The WSGI application: all plain REST; no sockets, and requests that would wait are answered with 202."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "penguin_site.settings")
application = get_wsgi_application()

from penguin_site import garbage, telemetry  # noqa: E402  (needs the settings)

telemetry.start()
garbage.tune_collection()
