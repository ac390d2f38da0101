"""Whose an image is, known well enough to tell patients apart and not well enough to say who they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

KEYWORDS = ("PatientID", "PatientName")

_SALT = os.urandom(16)
"""Of this process: digests are compared, never kept."""


@dataclass(frozen=True)
class Patient:
    """Digests of identifier and name; empty where the file states none."""

    identifier: str = ""
    name: str = ""

    def may_be(self, other: Patient) -> bool:
        """Whether nothing that both state differs."""
        pairs = ((self.identifier, other.identifier), (self.name, other.name))
        return all(a == b or not a or not b for a, b in pairs)


def take_patient(dataset: Dataset) -> Patient:
    """Digest what a dataset says of its patient, and remove it from the dataset."""
    identifier = str(dataset.get("PatientID") or "").strip()
    name = " ".join(str(dataset.get("PatientName") or "").replace("^", " ").replace("=", " ").casefold().split())
    for keyword in KEYWORDS:
        if keyword in dataset:
            del dataset[keyword]
    return Patient(_digest(identifier), _digest(name))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), key=_SALT, digest_size=12).hexdigest() if text else ""


def by_patient(patients: Sequence[Patient]) -> list[list[int]]:
    """Indices of the images of each patient; one that states nothing belongs to the first."""
    groups: list[tuple[Patient, list[int]]] = []
    # those that state most decide first
    for index in sorted(range(len(patients)), key=lambda n: -bool(patients[n].identifier) - bool(patients[n].name)):
        patient = patients[index]
        for other, members in groups:
            if other.may_be(patient):
                members.append(index)
                break
        else:
            groups.append((patient, [index]))
    return [sorted(members) for _, members in groups]
