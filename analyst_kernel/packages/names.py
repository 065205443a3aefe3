"""From the name in an ``import`` to the name at an index.

The names that differ stand in ``import_names.txt``, a list that another project keeps. What is not
in it is taken to be called as it is imported.
"""

from __future__ import annotations

import functools
import re
import sys
from importlib import resources

from analyst_kernel._text import nearest

_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

CHOSEN = {
    # Without windows of its own: a kernel has no display, and its libraries are often missing.
    "cv2": "opencv-python-headless",
    "docx": "python-docx",
    "fitz": "PyMuPDF",
    "google": "",  # a folder that hundreds of distributions share
    "Levenshtein": "Levenshtein",
    "skimage": "scikit-image",
    "umap": "umap-learn",
}
"""Where the list is silent, or names what would not work here; empty for none."""

FAMILIAR = frozenset(
    """adjusttext altair arch bambi bokeh bottleneck causalml cmdstanpy contourpy dask dython
    ephem fastparquet folium fuzzywuzzy geopandas geopy great-tables h3 hdbscan holidays hvplot
    igraph imbalanced-learn ipywidgets jinja2 joblib kaleido lifelines lightgbm linearmodels
    mapclassify matplotlib-venn missingno mlxtend mplfinance nltk numba numexpr numpy odfpy
    openpyxl optuna orjson pandas pandera patsy pingouin pint plotly plotnine polars prophet
    pyarrow pycountry pyjanitor pymc pyproj pyreadstat pyxlsb rapidfuzz ruptures scikit-learn
    scikit-posthocs scipy seaborn shap shapely skimpy sktime spacy squarify statsforecast
    statsmodels sympy tabulate textblob thefuzz tqdm tsfresh umap-learn unidecode upsetplot
    wordcloud xarray xgboost xlrd xlsxwriter ydata-profiling""".split()
)
"""Names of well-known libraries for data, written as :func:`normalised` does; a name that is
neither here nor in the list is shown as unknown."""


def normalised(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_distribution(name: str) -> bool:
    """Return whether a text may be the name of a distribution; only such go to an index."""
    return _DISTRIBUTION.fullmatch(name) is not None


def distribution_of(module: str) -> str:
    """Return the distribution that has a top-level module; empty if there is no such name."""
    if not _MODULE.fullmatch(module) or module in sys.stdlib_module_names:
        return ""
    named = CHOSEN.get(module)
    if named is None:
        named = import_names().get(module, module)
    return named if is_distribution(named) else ""


def is_listed(module: str) -> bool:
    """Return whether a module's name stands in the list, so that it tells nothing of the data."""
    return module in CHOSEN or module in import_names() or normalised(module) in FAMILIAR


def is_known(distribution: str) -> bool:
    """Return whether a distribution's name is one of those known here."""
    return normalised(distribution) in _known()


def alike(distribution: str) -> str:
    """Return the known name that an unknown one may be a misspelling of; else an empty text."""
    if is_known(distribution):
        return ""
    found = nearest(normalised(distribution), sorted(_known()))
    return found[0] if found else ""


@functools.cache
def import_names() -> dict[str, str]:
    """Return the distribution of each import name that is called otherwise."""
    text = resources.files(__package__).joinpath("import_names.txt").read_text(encoding="utf-8")
    rows = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {module: distribution for module, _, distribution in rows if distribution}


@functools.cache
def _known() -> frozenset[str]:
    chosen = (name for name in CHOSEN.values() if name)
    return FAMILIAR | {normalised(name) for name in (*import_names().values(), *chosen)}
