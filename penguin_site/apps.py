from django.apps import AppConfig


class PenguinSiteConfig(AppConfig):
    name = "penguin_site"
    verbose_name = "Site"

    def ready(self) -> None:
        """The configured model answers in ad sessions: `ads` itself knows no models."""
        from ads import responders
        from penguin_site.session_responder import ModelResponder

        responders.install(ModelResponder())
