"""Standardised uptake values by body weight from the headers of a PET series (DICOM PS3.3 C.8.9, QIBA FDG-PET/CT).

SUVbw = activity (Bq/ml) · weight (g) / injected activity (Bq) at the time that the image is corrected to. What a header
does not state is never guessed: the value is refused in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydicom.dataset import Dataset

from monai_unet.errors import InputError
from monai_unet.io.dicom.scaling import UnclearError, stated_number

_CORRECTIONS = {"ATTN": "attenuation", "DECY": "decay"}
_LIGHTEST_KG, _HEAVIEST_KG = 0.2, 500.0
_MOST_HALF_LIVES = 10.0
_SAME_SECONDS, _DAY = 60.0, 86400.0


def suv_factor(headers: Sequence[Dataset]) -> float:
    """What a PET image in its stated unit is multiplied with to give SUV by body weight (g/ml).

    Args:
        headers: those of all images of one series.

    Raises:
        InputError: an element is missing, of no use, or differs between the images; it is named.
    """
    if not headers:
        raise InputError("There is no image to take an SUV of.")
    factors = {round(_factor(header, headers), 12) for header in headers}
    if len(factors) > 1:
        raise InputError("No SUV: weight, dose or times differ between the images of the series; use one acquisition.")
    return _factor(headers[0], headers)


def _factor(header: Dataset, headers: Sequence[Dataset]) -> float:
    if str(header.get("Modality", "")) != "PT":
        raise InputError(f"No SUV: the series is {header.get('Modality') or 'of no modality'}, and not PET (PT).")
    units = str(header.get("Units", "")).strip().upper()
    if units == "GML":
        kind = str(header.get("SUVType", "BW") or "BW").strip().upper()
        if kind != "BW":
            raise InputError(f"No SUV by body weight: the values are SUV of the type {kind} already.")
        return 1.0
    if units != "BQML":
        raise InputError(f"No SUV: the unit of the values is '{units or 'not stated'}', and Bq/ml (BQML) is needed.")
    done = {value.strip().upper() for value in _several(header.get("CorrectedImage"))}
    lacking = [word for code, word in _CORRECTIONS.items() if code not in done]
    if lacking:
        raise InputError(f"No SUV: the images are not stated to be corrected for {' and '.join(lacking)}.")
    weight = _positive(header, "PatientWeight", "the weight of the patient")
    if not _LIGHTEST_KG <= weight <= _HEAVIEST_KG:
        raise InputError(f"No SUV: the weight of the patient is stated as {weight:g} kg.")
    drugs = header.get("RadiopharmaceuticalInformationSequence") or []
    if len(drugs) != 1:
        raise InputError(f"No SUV: {'no' if not drugs else 'more than one'} radiopharmaceutical is stated.")
    dose = _positive(drugs[0], "RadionuclideTotalDose", "the injected dose")
    return weight * 1000 / (dose * _left(header, drugs[0], headers))


def _left(header: Dataset, drug: Dataset, headers: Sequence[Dataset]) -> float:
    """Share of the injected activity that is left at the time that the image is corrected to."""
    reference = str(header.get("DecayCorrection", "")).strip().upper()
    if reference == "ADMIN":
        return 1.0
    if reference != "START":
        raise InputError(
            f"No SUV: the decay correction is '{reference or 'not stated'}', and START or ADMIN is needed."
        )
    half_life = _positive(drug, "RadionuclideHalfLife", "the half-life of the nuclide")
    scan = _scan_start(headers)
    seconds = (scan - _injection(header, drug, scan)).total_seconds()
    if seconds < 0:
        raise InputError("No SUV: the time of injection lies after that of the scan.")
    if seconds > _MOST_HALF_LIVES * half_life:
        raise InputError(
            f"No SUV: {seconds / 3600:.3g} h lie between injection and scan, more than ten half-lives of the nuclide."
        )
    return float(0.5 ** (seconds / half_life))


def _scan_start(headers: Sequence[Dataset]) -> datetime:
    """Series Date and Time; a series time after the first acquisition is that of a later reconstruction."""
    series = _moment(headers[0].get("SeriesDate"), headers[0].get("SeriesTime"))
    acquired = [_moment(header.get("AcquisitionDate"), header.get("AcquisitionTime")) for header in headers]
    known = [moment for moment in acquired if moment is not None]
    if series is None:
        raise InputError("No SUV: date or time of the series is not stated (a de-identified study may have lost it).")
    if known and series > min(known):
        raise InputError(
            "No SUV: the time of the series lies after its acquisition, as of a later reconstruction, so that the time "
            "that the decay is corrected to is not known."
        )
    return series


def _injection(header: Dataset, drug: Dataset, scan: datetime) -> datetime:
    stated = str(drug.get("RadiopharmaceuticalStartDateTime") or "").strip()
    # a time alone is of the day of the scan
    of_day = _moment(scan.strftime("%Y%m%d"), drug.get("RadiopharmaceuticalStartTime"))
    if not stated:
        if of_day is None:
            raise InputError("No SUV: the time of the injection is not stated.")
        return of_day
    clock, sign, offset = stated[8:].partition("+") if "+" in stated else stated[8:].partition("-")
    moment = _moment(stated[:8], clock)
    if moment is None:
        raise InputError(f"No SUV: the time of the injection is stated as '{stated[:26]}', which is no date and time.")
    if sign and f"{sign}{offset}" != str(header.get("TimezoneOffsetFromUTC") or "").strip():
        raise InputError("No SUV: the times of injection and scan are not stated to be of one time zone.")
    apart = 0.0 if of_day is None else (of_day - moment).total_seconds() % _DAY
    if min(apart, _DAY - apart) > _SAME_SECONDS:
        raise InputError("No SUV: two different times of the injection are stated.")
    return moment


def _moment(date: object, time: object) -> datetime | None:
    day, clock = str(date or "").strip().replace(".", ""), str(time or "").strip().replace(":", "")
    whole, _, part = clock.partition(".")
    if len(day) != 8 or len(whole) < 4:
        return None
    try:
        return datetime.strptime(f"{day}{whole.ljust(6, '0')}{part[:6].ljust(6, '0')}", "%Y%m%d%H%M%S%f")
    except ValueError:
        return None


def _positive(dataset: Dataset, keyword: str, what: str) -> float:
    try:
        found = stated_number(dataset, keyword)
    except UnclearError as error:
        raise InputError(f"No SUV: {what} is not usable: {error}.") from None
    if found is None:
        raise InputError(f"No SUV: {what} is not stated.")
    if found <= 0:
        raise InputError(f"No SUV: {what} is stated as {found:g}.")
    return found


def _several(value: object) -> list[str]:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [str(part) for part in value]
    return str(value or "").split("\\")
