"""How the API says no."""


class RefusedError(Exception):
    """A request that is understood and not granted: HTTP `status`, a stable `code`, and what was found."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")
