from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PenguinSiteConfig(AppConfig):
    name = "penguin_site"
    verbose_name = "Site"

    def ready(self) -> None:
        from ads import responders
        from penguin_site.session_responder import ModelResponder
        from penguin_site.staff import groups

        # The configured model answers in ad sessions: `ads` itself knows no models.
        responders.install(ModelResponder())
        post_migrate.connect(groups.after_migrate, sender=groups.last_app(), dispatch_uid="staff groups")
