"""Tokens for the API, what each may be used for, and what is remembered of sign-ins."""

from django.contrib.auth.models import User
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


class TokenUse(models.Model):
    """When a token was used last, to within a few minutes. One without a row never was."""

    token = models.OneToOneField(
        AuthToken, on_delete=models.CASCADE, primary_key=True, related_name="use"
    )
    used_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.used_at.isoformat()


class FailedSignIns(models.Model):
    """What is held against an address, a name, or a name at an address."""

    key = models.CharField(max_length=64, primary_key=True)
    """A keyed digest: neither names nor addresses are stored."""
    forgotten_at = models.FloatField(db_index=True)
    """When nothing is held against it any more, in seconds since 1970; each failure puts it off."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key


class KnownAddress(models.Model):
    """From where a user has signed in."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_addresses")
    address = models.CharField(max_length=64)
    """A keyed digest."""
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["user", "address"], name="known_address_once")
        ]

    def __str__(self) -> str:
        return self.address
