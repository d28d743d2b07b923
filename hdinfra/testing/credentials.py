"""What stands where credentials are looked for, in programs whose providers nobody asks."""

from hdinfra.clouds.credentials import BUCKET_CREDENTIALS, CREDENTIALS


def dummy_credentials(text: str) -> dict[str, str]:
    """For the environment: of every provider one complete set of variables, each with this text."""
    every = (*CREDENTIALS.values(), *BUCKET_CREDENTIALS.values())
    return {name: text for ways in every for names in ways[:1] for name in names}
