"""One YAML file that says where the listener listens, whom it hears, what it segments, and what leaves for where."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue

from monai_unet.errors import InputError
from monai_unet.io.dicom.network import (
    Server,
    Tls,
    check_ae_title,
    from_settings,
    parse_server,
    parse_tls,
    read_private_yaml,
    unknown,
)
from monai_unet.mappings import JsonView

RESULTS = ("seg", "sr", "sc", "ko", "pdf", "pr")
_LONGEST_VALUE = 1024
_MATCHES_ALL = ("", "^", "$", ".*", "^.*$", "^.*", ".*$", ".", ".+", "^.+$")


@dataclass(frozen=True)
class ListenSettings:
    """Where and how the listener listens.

    Attributes:
        queue: folder of all that came and was not finished.
        ae_title: what senders call us.
        address: of the interface; loopback unless said otherwise.
        port: for DIMSE; `http_port` for STOW-RS, `/health` and `/metrics`; 0: none.
        allow: AE titles that may send.
        http_token: what STOW-RS asks for as a bearer; must be set where `address` is not loopback.
        tls: for both; with `ca`, senders must show a certificate.
        quiet_seconds: a study to which nothing came for so long is taken as complete.
        complete_by: name of a server that is asked, after the quiet time, which images the series have; empty: nobody.
        give_up_after: quiet times in which images that it has did not come, after which the study is a dead letter.
        keep_hours: a finished study stays, so that what is sent again is known.
        max_instance_mb, min_free_gib: limits of one image, and of the disk.
        max_per_minute: images of one sender.
        max_associations: senders at once.
        segment_minutes: after which a segmentation counts as hung.
        send_hours: in which results are tried to be sent.
    """

    queue: Path
    ae_title: str = "MONAI-UNET"
    address: str = "127.0.0.1"
    port: int = 11112
    http_port: int = 0
    allow: tuple[str, ...] = ()
    http_token: str = field(default="", repr=False)
    tls: Tls | None = None
    quiet_seconds: float = 30.0
    complete_by: str = ""
    give_up_after: int = 20
    keep_hours: float = 24.0
    max_instance_mb: float = 1024.0
    min_free_gib: float = 2.0
    max_per_minute: int = 60000
    max_associations: int = 20
    segment_minutes: float = 60.0
    send_hours: float = 24.0


@dataclass(frozen=True)
class Rule:
    """What happens to a series.

    Attributes:
        name: how journal and audit call it.
        when: DICOM keyword → regular expression, searched in the value; all must be found.
        bundle: the model; its weights are loaded once.
        send: kinds of results (`RESULTS`), `to` the servers that get them; empty: nothing leaves.
        ignore: the series is left alone, and no later rule sees it.
        everything: agreed that it has no condition that leaves anything out.
        min_images: a series of fewer (a scout, a screenshot) is passed over.
        device: cpu or cuda; empty: as `segment` chooses.
    """

    name: str
    when: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    bundle: str = ""
    send: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    ignore: bool = False
    everything: bool = False
    min_images: int = 1
    device: str = ""

    def matches(self, values: Mapping[str, str], images: int) -> bool:
        """Whether a series with these header values and so many images is meant."""
        if images < self.min_images:
            return False
        return all(pattern.search(values.get(key, "")[:_LONGEST_VALUE]) for key, pattern in self.when.items())


@dataclass(frozen=True)
class ListenFile:
    """What stands in a file of rules."""

    settings: ListenSettings
    servers: Mapping[str, Server]
    rules: tuple[Rule, ...]

    def keywords(self) -> set[str]:
        """Header elements that the rules look at."""
        return {keyword for rule in self.rules for keyword in rule.when}

    def rule_for(self, values: Mapping[str, str], images: int) -> Rule | None:
        """The first rule that matches."""
        return next((rule for rule in self.rules if rule.matches(values, images)), None)


def read_listen_settings(path: str | Path) -> ListenFile:
    """Read and check a file of rules.

    Raises:
        InputError: others may read the file, or something in it is wrong; one sentence says where.
    """
    path = Path(path)
    stated = read_private_yaml(path)
    unknown(stated, ("listen", "servers", "rules"), str(path))
    servers = stated.get("servers") or {}
    if not isinstance(servers, Mapping):
        raise InputError(f"{path}: write the servers' names and settings below 'servers:'.")
    known = {str(n): parse_server(str(n), s, f"{path}, server '{n}'", path.parent) for n, s in servers.items()}
    settings = _settings(stated.get("listen"), path)
    if settings.complete_by and settings.complete_by not in known:
        raise InputError(f"{path}, listen: complete_by: '{settings.complete_by}' is none of the servers.")
    given = stated.get("rules")
    if not isinstance(given, list) or not given:
        raise InputError(f"{path} has no rules; write at least one below 'rules:' (see docs/pacs.md).")
    rules = tuple(_rule(one, number, known, path) for number, one in enumerate(given, 1))
    names = [rule.name for rule in rules]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: two rules are called '{twice}'; the journal tells rules apart by their names.")
    _refuse_dead_rules(rules, path)
    return ListenFile(settings, known, rules)


def _settings(given: object, path: Path) -> ListenSettings:
    place = f"{path}, listen"
    if not isinstance(given, Mapping) or not given.get("queue"):
        raise InputError(f"{path}: say below 'listen:' at least the folder 'queue:'.")
    values = dict(given)
    values["queue"] = path.parent / Path(str(values["queue"])).expanduser()
    values["allow"] = _texts(values.get("allow", ()), f"{place}: allow")
    if values.get("tls") is not None:
        values["tls"] = parse_tls(values["tls"], f"{place}, tls", path.parent)
    settings = from_settings(ListenSettings, values, place)
    check_ae_title(settings.ae_title, f"{place}: ae_title")
    for title in settings.allow:
        check_ae_title(title, f"{place}: each title of allow")
    if not settings.allow and settings.port:
        raise InputError(f"{place}: say in 'allow:' which AE titles may send; all others are refused.")
    if not settings.port and not settings.http_port:
        raise InputError(f"{place}: port and http_port are both 0, so that nothing could come.")
    if settings.address not in ("127.0.0.1", "::1", "localhost") and settings.http_port and not settings.http_token:
        raise InputError(f"{place}: http_port at {settings.address} needs an http_token, or anybody could send.")
    if settings.tls is not None and settings.tls.certificate is None:
        raise InputError(f"{place}, tls: to listen by TLS takes our certificate and key.")
    for name in ("quiet_seconds", "max_instance_mb", "max_per_minute", "max_associations", "segment_minutes"):
        if getattr(settings, name) <= 0:
            raise InputError(f"{place}: {name} must be more than 0.")
    return settings


def _rule(given: object, number: int, servers: Mapping[str, Server], path: Path) -> Rule:
    if not isinstance(given, Mapping):
        raise InputError(f"{path}: rule {number} is no list of 'name: value' lines.")
    place = f"{path}, rule '{given.get('name', number)}'"
    values = dict(given)
    values["when"] = _conditions(values.get("when") or {}, place)
    for what in ("send", "to"):
        values[what] = _texts(values.get(what, ()), f"{place}: {what}")
    rule = from_settings(Rule, {"name": f"rule {number}", **values}, place)
    if rule.ignore:
        if rule.bundle or rule.send or rule.to:
            raise InputError(f"{place}: a rule that ignores has no bundle, send or to.")
        return rule
    if not rule.bundle:
        raise InputError(f"{place}: name the model, 'bundle: …', or 'ignore: true'.")
    wrong = next((kind for kind in rule.send if kind not in RESULTS), None)
    if wrong is not None:
        raise InputError(f"{place}: there is no result '{wrong}'; there are {', '.join(RESULTS)}.")
    strange = next((name for name in rule.to if name not in servers), None)
    if strange is not None:
        raise InputError(f"{place}: '{strange}' is none of the servers ({', '.join(servers) or 'there are none'}).")
    if bool(rule.send) != bool(rule.to):
        raise InputError(f"{place}: 'send:' says what leaves and 'to:' where to; give both or neither.")
    if set(rule.send) & {"sc", "ko", "pdf", "pr"} and not {"seg", "sr"} <= set(rule.send):
        raise InputError(f"{place}: sc, ko, pdf and pr are sent beside seg and sr, never instead of them.")
    if _matches_everything(rule) and not rule.everything:
        raise InputError(
            f"{place} matches everything that comes; give it conditions below 'when:', or say 'everything: true'."
        )
    return rule


def _refuse_dead_rules(rules: Sequence[Rule], path: Path) -> None:
    """A rule behind one that leaves nothing over never applies, whatever its author thinks."""
    for number, rule in enumerate(rules[:-1]):
        if _matches_everything(rule) and rule.min_images <= 1:
            raise InputError(
                f"{path}: rule '{rule.name}' matches everything, so that '{rules[number + 1].name}' behind it never "
                "applies; put it last."
            )


def _matches_everything(rule: Rule) -> bool:
    return all(pattern.pattern in _MATCHES_ALL for pattern in rule.when.values())


def _conditions(given: object, place: str) -> dict[str, re.Pattern[str]]:
    if not isinstance(given, Mapping):
        raise InputError(f"{place}: write conditions as 'Keyword: pattern' below 'when:'.")
    found = {}
    for keyword, pattern in given.items():
        if tag_for_keyword(str(keyword)) is None:
            raise InputError(f"{place}: '{keyword}' is no keyword of DICOM; write it as in PS3.6, SeriesDescription.")
        try:
            found[str(keyword)] = re.compile(str(pattern))
        except re.error as error:
            raise InputError(f"{place}: the pattern of {keyword} is wrong ({error}).") from None
    return found


def _texts(given: object, place: str) -> tuple[str, ...]:
    values = [given] if isinstance(given, str) else given
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise InputError(f"{place} is a list of words, [a, b].")
    return tuple(values)


def values_of(dataset: object, keywords: Sequence[str]) -> JsonView:
    """Header values as text, those of several joined by a backslash, as DICOM writes them."""
    found = {}
    for keyword in keywords:
        value = getattr(dataset, keyword, None)
        several = isinstance(value, MultiValue | list | tuple)
        found[keyword] = "\\".join(map(str, value)) if several else "" if value is None else str(value)  # type: ignore[arg-type]
    return found
