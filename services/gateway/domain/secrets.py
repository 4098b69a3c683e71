"""How our secrets look, and what may be stored of them."""

import hashlib
import hmac
import re

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_INTEGRATION_PASSWORD = re.compile(r"cfn_[A-Za-z0-9_-]{43}")
_API_TOKEN = re.compile(r"cf_[A-Za-z0-9_-]{43}")


def token_hash(token: str) -> bytes:
    """Return what is stored of a secret token: 256 bits of chance need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def looks_like_a_token(token: str) -> bool:
    """Tell whether this could be a secret of ours: 32 bytes in base64url."""
    return _TOKEN.fullmatch(token) is not None


def looks_like_an_api_token(token: str) -> bool:
    """Tell whether this could be an API token: the prefix lets scanners of source code find one that was leaked."""
    return _API_TOKEN.fullmatch(token) is not None


def looks_like_an_integration_password(password: str) -> bool:
    """Tell whether this could be what another system enters NATS with."""
    return _INTEGRATION_PASSWORD.fullmatch(password) is not None


def csrf_token(token: str) -> str:
    """Return the value that proves the page knows more than the cookie jar sends by itself."""
    return hmac.new(token.encode(), b"counterfoil csrf", hashlib.sha256).hexdigest()


def is_csrf_token(given: str, token: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), csrf_token(token).encode())
