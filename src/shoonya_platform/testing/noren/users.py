"""The user behind the account: details, products, and words about the password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shoonya_platform.testing.noren.access import Access
from shoonya_platform.testing.noren.masters import EXCHANGES
from shoonya_platform.testing.noren.reading import Refusal
from shoonya_platform.testing.noren.rules import AccountRules

_BROKER = "SIMULATED"
_NO_USER = "Invalid Input : Wrong user id or user details"


class Users:
    """The simulator's one user."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def login_fields(self, rules: AccountRules) -> dict[str, Any]:
        """Return what both log-ins tell beside the token."""
        user_id = self._access.credentials.user_id
        return {
            "actid": user_id,
            "uname": "SIMULATED",
            "email": "simulated@example.invalid",
            "brkname": _BROKER,
            "exarr": list(EXCHANGES),
            "prarr": rules.prarr(),
            "access_type": ["API"],
        }

    def details(self, rules: AccountRules) -> dict[str, Any]:
        fields = self.login_fields(rules)
        orders = ["LMT", "MKT", "SL-LMT", "SL-MKT"]
        return {
            **fields,
            "uid": fields["actid"],
            "orarr": orders,
            "m_num": "9000000000",
            "uprev": "INVESTOR",
        }

    def client(self) -> dict[str, Any]:
        user_id = self._access.credentials.user_id
        return {
            "actid": user_id,
            "cliname": "SIMULATED",
            "act_sts": "Activated",
            "creatdte": "",
            "creattme": "",
            "m_num": "9000000000",
            "email": "simulated@example.invalid",
            "pan": "AAAAA0000A",
            "addr": "",
            "exarr": list(EXCHANGES),
            "brkname": _BROKER,
        }

    def forgot(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """
        Answer ForgotPassword; nothing is sent to anyone.

        Raises:
            Refusal: A field is missing, or it is another user.
        """
        self._check(asked, "pan", "dob")
        return {}

    def send_otp(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """
        Answer FgtPwdOTP; nothing is sent to anyone.

        Raises:
            Refusal: A field is missing, or it is another user.
        """
        self._check(asked, "pan")
        return {"ReqStatus": "OTP generation success"}

    def change_password(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """
        Change the password of QuickAuth.

        Raises:
            Refusal: A field is missing, or the old password is wrong.
        """
        self._check(asked, "oldpwd", "pwd")
        if asked["oldpwd"] != self._access.password_hash:
            raise Refusal("Invalid Input : Wrong Password")
        self._access.password_hash = asked["pwd"]
        return {"dmsg": "Password Changed Successfully"}

    def _check(self, asked: Mapping[str, str], *names: str) -> None:
        missing = [name for name in ("uid", *names) if not asked.get(name)]
        if missing:
            raise Refusal(f"Invalid Input : Missing {' or '.join(missing)}.")
        if asked["uid"] != self._access.credentials.user_id:
            raise Refusal(_NO_USER)
