"""
Reads what a form sends, and only from a page of this dashboard.

Two walls against a stranger's page that sends a form here: where the request says
it comes from, and, once there is a session, a word only its own pages know.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from shoonya_platform.dashboard.queries import BadRequest
from shoonya_platform.dashboard.sessions import Session, is_token

MAX_BODY_BYTES = 8192


async def read_form(request: Request) -> dict[str, str]:
    """
    Return the fields of an urlencoded form, without the token.

    Raises:
        BadRequest: It is too large, is none, or comes from elsewhere.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise BadRequest("FOREIGN_FORM", "the form comes from another site")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BadRequest(
                "FORM_TOO_LARGE", f"a form has at most {MAX_BODY_BYTES} bytes"
            )
    try:
        form = dict(
            parse_qsl(
                body.decode(),
                keep_blank_values=True,
                max_num_fields=20,
                errors="strict",
            )
        )
    except ValueError as e:
        raise BadRequest("FORM_INVALID", "expected an urlencoded form") from e
    session: Session | None = request.scope["session"]
    token = form.pop("csrf_token", "")
    if session is not None and not is_token(session, token):
        raise BadRequest(
            "FORM_EXPIRED", "this form belongs to an earlier log-in: load the page anew"
        )
    return form


def check_session(request: Request) -> None:
    """
    Raises:
        BadRequest: There is no session, as the dashboard has no password.
    """
    if request.scope["session"] is None:
        raise BadRequest(
            "PASSWORD_NEEDED",
            "nothing can be changed here until there is a password: "
            "shoonyactl dashboard password",
        )
