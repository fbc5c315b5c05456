"""Who may read a stream: programs of this machine that were told its address."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Access:
    """The address of one stream.

    A web page that the user happens to visit can reach this machine's ports too. It can neither guess the token, nor send
    another Origin than its own, nor another Host than the name that it was loaded under (DNS rebinding).

    port:  where the server listens. token: part of the address, new with each server.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def address(self, scheme: str, path: str = "") -> str:
        return f"{scheme}://{LOOPBACK}:{self.port}/{self.token}{path}"

    def refusal(self, path: str, headers: Mapping[str, str | None]) -> int | None:
        """The HTTP status to refuse a request with, None to let it in.

        path:    of the request, beginning with a slash.
        headers: at least Host and Origin, None or missing where the request has none.
        """
        hosts = {f"{name}:{self.port}" for name in (LOOPBACK, "localhost")}
        if headers.get("Host") not in hosts:
            return 403
        origin = headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in hosts}:
            return 403
        token = path.split("/")[1] if path.startswith("/") else ""
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return 404
        return None
