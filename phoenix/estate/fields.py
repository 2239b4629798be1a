"""What a value of the inventory may be: patterns of text, and types made of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from phoenix.estate.duration import parse_duration

LABEL_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
DOMAIN_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$"
NAME_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"
PATH_PATTERN = r"^/[^\s\x00]*[^\s/\x00]$"
LINE_PATTERN = r"^[^\x00-\x1f\x7f]*$"
WORD_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9@._+-]*$"
PUBLISHED_PATTERN = r"^([0-9]{1,5}|([0-9]{1,3}(\.[0-9]{1,3}){3}:)?[0-9]{1,5}:[0-9]{1,5})$"
VOLUME_PATTERN = r"^[A-Za-z0-9/][A-Za-z0-9_./-]*:/[A-Za-z0-9_./-]*(:[a-zA-Z,]+)?$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
NODE_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
DATASET_PATTERN = r"^[A-Za-z][A-Za-z0-9_.:-]*(/[A-Za-z0-9_.:-]+)*$"

Label = Annotated[str, StringConstraints(pattern=LABEL_PATTERN)]
"""One DNS label (RFC 1035, section 2.3.1; RFC 1123 allows a leading digit)."""
NodeName = Annotated[str, StringConstraints(pattern=NODE_PATTERN)]
"""The name of a Proxmox VE node: a label of a hostname (RFC 1123, section 2.1), in upper or lower case."""
DomainName = Annotated[str, StringConstraints(pattern=DOMAIN_PATTERN, max_length=253)]
RecordName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=253)]
"""A label of the zone, or a full DNS name in a declared zone."""
Line = Annotated[str, StringConstraints(pattern=LINE_PATTERN, min_length=1)]
"""One line: text for people, or a word of a command."""
Word = Annotated[str, StringConstraints(pattern=WORD_PATTERN)]
"""A name that another program defines; it needs no quotes in a shell or in YAML."""
Port = Annotated[int, Field(ge=1, le=65535)]
VmId = Annotated[int, Field(ge=100, le=999_999_999)]
"""Proxmox VE's range of guest ids."""
AbsolutePath = Annotated[str, StringConstraints(pattern=PATH_PATTERN)]
OwnerIds = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}:[0-9]{1,5}$")]
Mode = Annotated[str, StringConstraints(pattern=r"^0[0-7]{3}$")]
MacAddress = Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")]
Variable = Annotated[str, StringConstraints(pattern=VARIABLE_PATTERN)]
Volume = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+:[A-Za-z0-9_./+-]+$")]
"""A volume of a Proxmox storage, `storage:path`."""
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
"""A number with its unit, such as `15m`, `24h`, `7d` or `10y`."""
AnswerDomain = Annotated[str, StringConstraints(pattern=rf"^\*$|{NAME_PATTERN}", max_length=253)]
"""A domain, or `*` for all of them."""
Scheme = Literal["http", "https", "h2c", "tcp"]
Purpose = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ,./()-]*$", max_length=80)]
"""A few words, which may stand in a comment of the firewall."""
UrlPath = Annotated[str, StringConstraints(pattern=r"^/\S*$")]
ImageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]*(:[\w][\w.-]*)?(@sha256:[0-9a-f]{64})?$")]
"""An OCI image as `docker pull` takes it."""
PublishedPort = Annotated[str, StringConstraints(pattern=PUBLISHED_PATTERN)]
"""A port of a container on its host: `PORT`, `HOST:CONTAINER` or `ADDRESS:HOST:CONTAINER`."""
ContainerVolume = Annotated[str, StringConstraints(pattern=VOLUME_PATTERN)]
"""A directory of the host in a container, `SOURCE:TARGET`, perhaps with options."""
MaybeEmptyLine = Annotated[str, StringConstraints(pattern=LINE_PATTERN)]
DatasetName = Annotated[str, StringConstraints(pattern=DATASET_PATTERN)]
"""A ZFS dataset (zfs(8))."""
