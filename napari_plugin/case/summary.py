"""A page to read and print: what was found, measured, and how it looks (no Qt)."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from jinja2 import Template
from matplotlib.backends.backend_agg import FigureCanvasAgg

from monai_unet.interaction.session import SegmentObject
from monai_unet.io import RESEARCH_USE, write_text
from monai_unet.measurement import Lesion, acquisition_axis, bidimensional_product, contour_figure, recist_objections
from monai_unet.version import __version__
from napari_plugin.case.claims import claim_named
from napari_plugin.case.exporting import EditedCase
from napari_plugin.case.findings import chosen_targets, in_parts, sum_of_targets, uptake_text

MOST_PICTURES = 6

_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; color: #111; }
h1 { font-size: 1.4rem; margin-bottom: 0; } .mark { color: #a00; font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #ccc; }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
.swatch { display: inline-block; width: .9em; height: .9em; border-radius: .2em; vertical-align: -.1em; }
img { width: 100%; margin: .4rem 0 1rem; break-inside: avoid; } small { color: #555; }
</style></head><body>
<h1>{{ title }}</h1>
<p><span class="mark">{{ use }}.</span> {{ image }}</p>
<table><thead><tr><th></th><th>name</th><th>class</th><th>volume (ml)</th><th>long × short axis (mm)</th>
<th>product (mm²)</th><th>longest diameter, 3D (mm)</th><th>mean ± sd{{ unit }}</th></tr></thead><tbody>
{% for row in rows %}<tr><td><span class="swatch" style="background:{{ row.color }}"></span></td><td>{{ row.name }}</td>
<td>{{ row.kind }}</td><td>{{ row.volume }}</td><td>{{ row.axes }}</td><td>{{ row.product }}</td>
<td>{{ row.longest }}</td><td>{{ row.mean }}</td>
</tr>{% endfor %}</tbody></table>
<p>{{ total }}</p>
{% for note in notes %}<p>{{ note }}</p>{% endfor %}
{% for picture in pictures %}<img alt="{{ picture.name }}" src="data:image/png;base64,{{ picture.png }}">{% endfor %}
<p><small>Axes are RECIST 1.1 diameters in the plane of acquisition; their product is that of RANO.
{{ maker }} monai-unet {{ version }}.</small></p>
</body></html>
""",
    autoescape=True,
)


def save_html(outcome: EditedCase, path: Path) -> list[Path]:
    """One self-contained page; prints on one or two sheets. It names series and file, never the patient."""
    claim_named(path, outcome.image)
    measured, wholes = outcome.measured(), outcome.wholes()
    notes = [in_parts(item.name, measured[item.value]) for item in outcome.objects]
    notes += [in_parts(name, lesion) for name, lesion in wholes.items()]
    uptakes, named = outcome.uptakes(), {item.value: item.name for item in outcome.objects}
    notes += [f"{named[value]}: {uptake_text(uptake)}" for value, uptake in uptakes.items()]
    notes += [outcome.image.no_suv]
    slice_mm = outcome.image.grid.spacing[acquisition_axis(outcome.image.grid)]
    notes += recist_objections(chosen_targets(outcome.objects, measured), slice_mm)
    image = outcome.image
    size = "×".join(map(str, image.grid.shape[::-1]))
    spacing = "×".join(f"{mm:.3g}" for mm in image.grid.spacing[::-1])
    page = _PAGE.render(
        title=f"Findings in {image.name}",
        use=RESEARCH_USE,
        image=f"{image.modality} {size} voxels of {spacing} mm".strip(),
        unit=" (HU)" if image.modality == "CT" else "",
        rows=[
            *(_row(item, measured[item.value]) for item in outcome.objects),
            *(_numbers(lesion) | {"color": "transparent", "name": name, "kind": ""} for name, lesion in wholes.items()),
        ],
        total=sum_of_targets(outcome.objects, measured) or "No target lesion was chosen, so that nothing is summed.",
        notes=[*filter(None, notes), *outcome.stated_notes()],
        pictures=_pictures(outcome, measured),
        maker=outcome.algorithm().sentence,
        version=__version__,
    )
    write_text(path, page)
    return [path]


def _row(item: SegmentObject, lesion: Lesion | None) -> dict[str, str]:
    told = [*(["target lesion"] if item.target else []), *filter(None, [item.organ])]
    name = f"{item.name} ({', '.join(told)})" if told else item.name
    color = "#{:02x}{:02x}{:02x}".format(*item.color)
    return _numbers(lesion) | {"color": color, "name": name, "kind": item.class_name}


def _numbers(lesion: Lesion | None) -> dict[str, str]:
    if lesion is None:
        return {"volume": "0", "axes": "", "product": "", "longest": "", "mean": ""}
    return {
        "volume": f"{lesion.volume_ml:.2f}",
        "axes": f"{lesion.long_axis.length_mm:.1f} × {lesion.short_axis.length_mm:.1f}",
        "product": f"{bidimensional_product(lesion):.0f}",
        "longest": f"{lesion.longest_diameter.length_mm:.1f}",
        "mean": f"{lesion.intensity_mean:.4g} ± {lesion.intensity_sd:.3g}",
    }


def _pictures(outcome: EditedCase, measured: dict[int, Lesion | None]) -> list[dict[str, str]]:
    """Three planes through each of the largest lesions."""
    volumes = {value: lesion.volume_ml for value, lesion in measured.items() if lesion is not None}
    largest = sorted(volumes, key=lambda value: -volumes[value])[:MOST_PICTURES]
    items = {item.value: item for item in outcome.objects}
    pictures = []
    for value in largest:
        item = items[value]
        figure = contour_figure(
            outcome.image.array,
            np.where(outcome.labels == value, 1, 0),
            spacing=outcome.image.grid.spacing,
            names={1: item.name},
            colors={1: item.color},
            title=item.name,
        )
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer)
        pictures.append({"name": item.name, "png": base64.b64encode(buffer.getvalue()).decode()})
    return pictures
