"""The shared code behind the notebooks.

    archive -> cache -> download -> data -> runs -> softmax -> plots -> panel -> labelling -> playground -> notebooks

A module knows those to its left, never those to its right. The names below load their module when they are first
used, so `from helpers import load_data` does not wait for TensorFlow.
"""

import sys
from importlib import import_module

_HOMES = {
    name: f"helpers.{module}"
    for module, names in {
        "errors": ("ArgumentError", "DatasetError"),
        "data": ("load_data", "split_indices", "to_image", "mean_image", "scale_pixels"),
        "progress": ("progress_bar",),
        "arguments": ("check_settings", "class_index"),
        "runs": ("load_run", "save_run"),
        "softmax": (
            "compute_accuracy",
            "compute_logits",
            "confusion_matrix",
            "cross_entropy",
            "evaluate",
            "predict_logits",
            "train",
        ),
        "plots.templates": ("signed_image",),
    }.items()
    for name in names
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'helpers' has no attribute {name!r}; it offers {', '.join(__all__)}")


def _show_figure(figure) -> None:
    import_module("helpers.figures").show_figure(figure)


if "IPython" in sys.modules and (_shell := sys.modules["IPython"].get_ipython()) is not None:
    # By name, so that Matplotlib is not imported before somebody draws.
    _shell.display_formatter.ipython_display_formatter.for_type_by_name("matplotlib.figure", "Figure", _show_figure)
