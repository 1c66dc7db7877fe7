"""Sphinx's settings: `nox -s docs` builds the site into build/docs, without the network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

from dashscope_ftlogs import __version__

project = "dashscope-ftlogs"
author = "The dashscope-ftlogs authors"
project_copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "commands",
    "public_names",
    "rooms",
]
exclude_patterns = ["extensions"]
nitpicky = True
# Other projects' names lead nowhere: building asks no other host.
nitpick_ignore_regex = [
    (r"py:.*", r"(aiohttp|asyncio|attrs?|collections|datetime|enum|os|pathlib|typing)(\..*)?"),
    (r"py:.*", r"'.*'"),
    # What LogSession is built on, which users open.
    (r"py:class", r"dashscope_ftlogs\.client\.service\.Service"),
]
myst_heading_anchors = 3

autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_display_short_literal_types = True
default_role = "code"
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "dashscope-ftlogs"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
