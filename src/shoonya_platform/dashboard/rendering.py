"""Jinja2, escaping everywhere, and the two assets the pages use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request

from shoonya_platform.clock import Clock
from shoonya_platform.dashboard import words
from shoonya_platform.logging.sizes import size_text

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of ours; its URL changes with its content."""

    content: bytes
    media_type: str
    url: str


def load_assets() -> dict[str, Asset]:
    kinds = {
        "dashboard.css": "text/css",
        "dashboard.js": "text/javascript",
        "icon.svg": "image/svg+xml",
    }
    assets = {}
    for name, media_type in kinds.items():
        content = (_HERE / "static" / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:12]
        assets[name] = Asset(content, media_type, f"/static/{name}?v={digest}")
    return assets


class Renderer:
    """Renders the templates."""

    def __init__(self, clock: Clock, assets: Mapping[str, Asset], version: str) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # They come with the package, and change only with it.
            auto_reload=False,
        )
        self._environment.filters.update(
            rupees=words.rupees,
            price=words.price,
            quantity=words.quantity,
            gain=words.gain,
            memory=words.memory,
            share=words.share,
            size=size_text,
            milliseconds=words.milliseconds,
            precise_time=words.precise_time,
            log_time=words.log_time,
            duration=words.duration,
            words=words.words,
            tone=words.tone,
        )
        self._environment.globals.update(
            clock_time=words.clock_time,
            nothing=words.NOTHING,
            version=version,
            assets={name: asset.url for name, asset in assets.items()},
        )

    def page(self, request: Request, template: str, **values: object) -> str:
        """Render a whole page: it knows who is logged in, and where one is."""
        return self(
            template,
            session=request.scope.get("session"),
            here=request.url.path,
            **values,
        )

    def __call__(self, template: str, **values: object) -> str:
        return self._environment.get_template(template).render(
            **values, now=self._clock.now()
        )
