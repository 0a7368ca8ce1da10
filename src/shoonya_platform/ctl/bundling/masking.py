"""What goes into the archive goes through here first."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from shoonya_platform.ctl.bundling.pseudonyms import Pseudonyms
from shoonya_platform.ctl.bundling.seeking import Seeker
from shoonya_platform.logging.redaction import REPLACEMENT, Redactor

# The password of `scheme://user:password@host`.
_USERINFO = re.compile(r"(://[^/\s:@\"']*:)([^/\s@\"']+)(?=@)")


class Masker:
    """
    Takes secrets out, and gives accounts and people other names.

    Attributes:
        masked: How many secrets were taken out.
    """

    def __init__(
        self, redactor: Redactor, seeker: Seeker, pseudonyms: Pseudonyms
    ) -> None:
        self._redactor = redactor
        self._seeker = seeker
        self._pseudonyms = pseudonyms
        self.masked = 0

    def text(self, text: str) -> str:
        """Return a text of several lines, masked."""
        return self._deeply(self._light_text(text))

    def records(self, records: Sequence[str]) -> str:
        """
        Return records masked, one below the other.

        Args:
            records: Each with the lines of its traceback, without the last line break.
        """
        light = [self._light_text(each) for each in records]
        text = "".join(f"{each}\n" for each in light)
        if not any(self._seeker.find(text.encode("utf-8", "replace"))):
            return text
        # Record by record, so that what is found takes only its own with it.
        return self._deeply("".join(f"{self._deeply(each)}\n" for each in light))

    def document(self, value: object) -> object:
        """Return what JSON has, masked in its names and its texts."""
        light = self._light_document(value)
        # One search in all of it: most have nothing.
        if any(self._seeker.find(json.dumps(light).encode())):
            return self._deep_document(light)
        return light

    def counts(self) -> dict[str, int]:
        """Return how often something was masked, by kind."""
        return dict(Counter({"secret": self.masked}) + self._pseudonyms.replaced)

    def pseudonyms(self) -> dict[str, int]:
        """Return how many different ones there are, by kind."""
        return self._pseudonyms.different()

    def _light_document(self, value: object) -> object:
        if isinstance(value, dict):
            return {
                self._light_text(str(name)): self._light_field(str(name), item)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._light_document(item) for item in value]
        return self._light_text(value) if isinstance(value, str) else value

    def _light_field(self, name: str, value: object) -> object:
        if not isinstance(value, str):
            return self._light_document(value)
        _, cleaned = self._redactor.clean_field(name, value)
        self._count(value, cleaned)
        # With its name: some values are telling only behind it.
        head = f"{name}="
        whole = self._pseudonyms.replace(f"{head}{cleaned}")
        return self._light_text(
            whole[len(head) :] if whole.startswith(head) else cleaned
        )

    def _deep_document(self, value: object) -> object:
        if isinstance(value, dict):
            return {
                self._deeply(name): self._deep_document(item)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self._deep_document(item) for item in value]
        return self._deeply(value) if isinstance(value, str) else value

    def _light_text(self, text: str) -> str:
        return "\n".join(map(self._lightly, text.split("\n")))

    def _lightly(self, line: str) -> str:
        cleaned = self._redactor.clean(line)
        if "://" in cleaned:
            cleaned = _USERINFO.sub(rf"\1{REPLACEMENT}", cleaned)
        if cleaned is not line:
            self._count(line, cleaned)
        return self._pseudonyms.replace(cleaned)

    def _deeply(self, text: str) -> str:
        raw = text.encode("utf-8", "replace")
        if not any(self._seeker.find(raw)):
            return text
        blotted, count = self._seeker.blot(raw)
        self.masked += count
        return blotted.decode("utf-8", "replace")

    def _count(self, before: str, after: str) -> None:
        self.masked += max(0, after.count(REPLACEMENT) - before.count(REPLACEMENT))
