from django.apps import AppConfig


class PenguinSiteConfig(AppConfig):
    name = "penguin_site"
    verbose_name = "Site"
