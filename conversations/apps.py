from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"

    def ready(self) -> None:
        """Where messages wait for moderation, workers check them at once."""
        from django.conf import settings

        from conversations.runner import companions, held_messages

        if settings.PENGUIN_MODERATION == "hold":
            companions.add(companions.Companion("held messages", held_messages.work))
