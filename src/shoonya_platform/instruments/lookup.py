"""
Instruments for the order path, when the broker is a real one.

The operator's own figures count most, then the broker's list.  What neither has comes
from the packaged table and says so: an entry needs more, an exit only a tick.
"""

from __future__ import annotations

from dataclasses import replace

from shoonya_platform.domain.catalogue import Catalogue, overridden
from shoonya_platform.domain.instruments import Exchange, Instrument, Source
from shoonya_platform.instruments.file import InstrumentFile, InstrumentsUnavailable


class ListedInstruments:
    """
    Finds instruments in the file.

    Args:
        catalogue: The packaged table with the operator's figures.
    """

    def __init__(self, file: InstrumentFile, catalogue: Catalogue) -> None:
        self._file = file
        self._catalogue = catalogue

    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        """
        Return what is known; its `source` says whether that is a guess.

        Returns:
            None if the exchange has no instruments with such a name.
        """
        try:
            listed = self._file.find(exchange, tradingsymbol)
        except InstrumentsUnavailable:
            return self._catalogue.find(exchange, tradingsymbol)
        if listed is not None:
            return overridden(listed.instrument, self._catalogue.overrides)
        guess = self._catalogue.find(exchange, tradingsymbol)
        return None if guess is None else replace(guess, source=Source.UNLISTED)
