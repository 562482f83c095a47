"""Tokens for the API, and what each may be used for."""

from django.db import models
from knox.models import AuthToken


class Scope(models.TextChoices):
    """What a call does, as a token names it."""

    READ = "read"
    COMMAND = "command"
    FEED = "feed"


class ApiToken(AuthToken):  # type: ignore[misc]  # knox has no types
    """Knox's token under permissions of its own. Only a digest and its first letters are kept."""

    class Meta:
        proxy = True
        verbose_name = "API token"
        default_permissions = ("view", "add", "delete")

    def __str__(self) -> str:
        return f"{self.beginning} of {self.user}"

    @property
    def beginning(self) -> str:
        """Enough to tell it from others, and far from enough to guess it."""
        return f"{self.token_key[:8]}…"


class TokenScopes(models.Model):
    """What a token may be used for. One without a row may do all that its user may."""

    token = models.OneToOneField(
        AuthToken, on_delete=models.CASCADE, primary_key=True, related_name="scopes"
    )
    read = models.BooleanField()
    command = models.BooleanField()
    feed = models.BooleanField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return " ".join(sorted(self.granted))

    @property
    def granted(self) -> frozenset[Scope]:
        return frozenset(scope for scope in Scope if getattr(self, scope))
