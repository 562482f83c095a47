"""How a client of the API shows who it is."""

from hmac import compare_digest
from typing import Any

from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.settings import CONSTANTS, knox_settings
from rest_framework.exceptions import AuthenticationFailed

from recruitment.token_lookup import tokens_beginning
from recruitment.token_use import note_use


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc]  # knox has no types
    """Knox's, with one query for all that a request asks of its token and user."""

    def authenticate_credentials(self, token: bytes) -> Any:
        """Raises AuthenticationFailed, also for bytes that are not UTF-8 or hold a NUL."""
        if not token.isalnum():
            raise AuthenticationFailed("Invalid token.")
        text = token.decode("ascii")
        digest, now = hash_token(text), timezone.now()
        beginning = text[: CONSTANTS.TOKEN_KEY_LENGTH]
        for found, any_expired in tokens_beginning(beginning, now=now):
            # Deletes this user's tokens that have expired; true where this is one of them.
            if any_expired and self._cleanup_token(found):
                continue
            if compare_digest(digest, found.digest):
                if knox_settings.AUTO_REFRESH and found.expiry:
                    self.renew_token(found)
                validated = self.validate_user(found)
                note_use(found, now)
                return validated
        raise AuthenticationFailed("Invalid token.")
