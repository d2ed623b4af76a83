"""How Sphinx builds the site: ``sphinx-build -W -b html docs docs/_build``."""

import microgradx

project = "microgradx"
author = "The microgradx authors"
copyright = "2026, " + author  # noqa: A001 - Sphinx's name
version = release = microgradx.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing",  # pages link to files of the repository, which the site does not hold
    "autosummary.import_cycle",
]
exclude_patterns = ["_build", "gallery/make.py"]
html_theme = "furo"
html_title = "microgradx"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc sections state types and shapes
autodoc_default_options = {"members": True, "show-inheritance": False}
numpydoc_show_class_members = False
numpydoc_use_plots = False
default_role = "code"  # `name` in a docstring is code, whether or not a page describes it
