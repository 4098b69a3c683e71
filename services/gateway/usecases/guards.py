"""Whether somebody knows a password, asked no more often than a person would."""

from services.gateway.usecases.limits import Limiter
from services.gateway.usecases.passwords import Passwords


class Guard:
    """Checks passwords and counts the wrong ones, by where they came from and by whose they were said to be."""

    def __init__(self, passwords: Passwords, limiter: Limiter) -> None:
        """Check with `passwords`, count with `limiter`."""
        self._passwords = passwords
        self._limiter = limiter

    async def knows(self, email: str, password: str, known: str | None, address: str) -> bool:
        """Tell whether the password made the known hash; the same work is done where there is none.

        Raises RateLimited after too many that were wrong. Many at once get no further: whoever comes back from the
        check when the others have failed is refused with the right password, too, and so learns nothing.
        """
        tries = (("password_by_address", address), ("password_by_account", email.lower()))
        for name, key in tries:
            await self._limiter.check(name, key)
        matches = await self._passwords.verify(password, known)
        for name, key in tries:
            await (self._limiter.check if matches else self._limiter.hit)(name, key)
        return matches
