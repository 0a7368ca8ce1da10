"""
The agents that ship the log elsewhere, and their configurations.

What the templates in agents/ say was held against these references:

    cloudwatch  the agent's translator/config/schema.json of 2026 (files), and its pull
                request 2121 of May 2026 (journald)
    datadog     Agent 7, "Advanced log collection" and the journald integration 3.2
    filebeat    Filebeat 9.2, inputs filestream and journald, processor script
    vector      0.5x, sources file and journald, transform remap, sink http
    rsyslog     8.2302, tried with the program itself
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2

#: How a record of text begins, and no other line; as all agents' regular expressions
#: have it.
BEGINS = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}"
#: The fields that order and alert are followed by, where each has to be named.
FIELDS = ("order_id", "alert_id", "event")

_VALUE = r'"(?:[^"\\]|\\.)*"|[^\s"\\|=]*'
# The last ` |` that is followed by nothing but fields ends the sentence.
_GROUPS = (
    ("at", r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3}"),
    ("level", "[A-Z]+"),
    ("logger", "[^ |]+"),
    ("sentence", ".*"),
    ("fields", rf"(?: [a-z0-9_]+=(?:{_VALUE}))*?"),
    ("run", r"[A-Za-z0-9_.:-]+"),
    ("seq", "[0-9]+"),
)
_RECORD = r"^{} \| {} +\| {} +\| {} \|{} run={} seq={}$"
#: A record's first line, with names for what is in it, and without.
RECORD = _RECORD.format(*(f"(?P<{name}>{what})" for name, what in _GROUPS))
RECORD_UNNAMED = _RECORD.format(*(f"({what})" for _, what in _GROUPS))


@dataclass(frozen=True, slots=True)
class Agent:
    """
    One agent.

    Attributes:
        template: Its file in agents/.

        to_fill: What stands for something only the user knows, and what that is.

        comments: Whether its configuration may have comments.
    """

    template: str
    to_fill: tuple[tuple[str, str], ...]
    comments: bool = True


AGENTS = {
    "cloudwatch": Agent(
        "cloudwatch.json",
        (("ap-south-1", "the region of the log groups"),),
        comments=False,
    ),
    "datadog": Agent(
        "datadog.yaml",
        (
            ("DD_API_KEY", "the agent's key, in its environment or datadog.yaml"),
            ("DD_SITE", "your site, for example ap1.datadoghq.com; in the same place"),
        ),
    ),
    "filebeat": Agent(
        "filebeat.yaml",
        (
            ("ELASTICSEARCH_URL", "where Elasticsearch is; in Filebeat's environment"),
            ("ELASTICSEARCH_API_KEY", "id:key; there too, or in Filebeat's keystore"),
        ),
    ),
    "vector": Agent(
        "vector.toml",
        (
            ("SHOONYA_LOG_URL", "where the objects go; in Vector's environment"),
            ("SHOONYA_LOG_TOKEN", "the bearer token for it; there too"),
        ),
    ),
    "rsyslog": Agent(
        "rsyslog.conf",
        (("logs.example.com", "the machine that receives, and its port 6514"),),
    ),
}


@dataclass(frozen=True, slots=True)
class Service:
    """A service's log as an agent finds it: its file with the form, and its journal."""

    name: str
    path: str
    form: str

    @property
    def identifier(self) -> str:
        """The SYSLOG_IDENTIFIER of what it logs."""
        return f"shoonya@{self.name}"

    @property
    def unit(self) -> str:
        return f"{self.identifier}.service"


def render(agent: Agent, source: str, services: Sequence[Service]) -> str:
    """
    Return an agent's configuration, its header included.

    Args:
        source: `files` or `journal`.
    """
    # What comes out is no HTML; a path is quoted as JSON where it stands.
    environment = jinja2.Environment(  # noqa: S701
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    template = resources.files(__package__) / "agents" / agent.template
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        source=source,
        services=services,
        texts=[each for each in services if each.form == "text"],
        jsons=[each for each in services if each.form == "json"],
        begins=BEGINS,
        record=RECORD,
        record_js=RECORD_UNNAMED,
        fields=FIELDS,
    )


def without_comments(text: str) -> tuple[str, str]:
    """Return the header of *text*, and the rest."""
    lines = text.splitlines(keepends=True)
    header = "".join(line for line in lines if line.startswith("#"))
    return header, "".join(line for line in lines if not line.startswith("#"))
