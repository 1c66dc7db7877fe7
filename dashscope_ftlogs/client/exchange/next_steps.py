"""What to do about an error, where more is known than its class."""

from dashscope_ftlogs.client.exchange.memory import what_to_do
from dashscope_ftlogs.errors import (
    APIError,
    AuthenticationError,
    FTLogsError,
    NotFoundError,
    ResponseTooLargeError,
)


def next_step(error: FTLogsError, *, line: int | None, root: str, key_place: str) -> str:
    """Return what to do next.

    Args:
        error: What came in place of an answer.
        line: How many lines were asked for, if lines were.
        root: The path of the base URL.
        key_place: Where the key was found.
    """
    match error:
        case ResponseTooLargeError():
            return what_to_do(line)
        case NotFoundError() if not root.endswith("/api/v1"):
            return "The base URL does not end with /api/v1: most likely that is why."
        case AuthenticationError() if key_place:
            place = "the argument api_key" if key_place == "api_key" else key_place
            return f"The key is from {place}. {error.advice}"
        case APIError() if 300 <= error.status < 400:
            return (
                "Something else answers in the service's place, such as a proxy or the login page of a "
                "network; or the base URL is not the service's. Check proxy, network and base URL."
            )
        case APIError() if error.request_id is None:
            return error.advice.replace(" with the request id", "")
        case _:
            return error.advice
