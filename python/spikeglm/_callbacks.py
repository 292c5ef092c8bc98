"""scikit-learn's callbacks, in its releases that have them (1.9 and newer)."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

_callback: Any = import_module("sklearn.callback") if find_spec("sklearn.callback") else None

CallbackSupport: Any = _callback.CallbackSupportMixin if _callback else object

Fit = TypeVar("Fit", bound=Callable[..., Any])


def one_task(fit: Fit) -> Fit:
    """Tell the callbacks of an estimator when its fit begins and when it has ended."""
    if _callback is None:
        return fit

    @_callback.with_callbacks  # type: ignore[untyped-decorator]
    @wraps(fit)
    def told(self: Any, X: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        routed = {
            key: kwargs[key] for key in ("sample_weight", "offset") if kwargs.get(key) is not None
        }
        told_too = {"estimator": self, "X": X, "y": y, "metadata": routed or None}
        context = self._init_callback_context()
        context.call_on_fit_task_begin(**told_too)
        result = fit(self, X, y, *args, **kwargs)
        # A copy of the estimator is fitted by now: no attribute has to be set on it.
        context.call_on_fit_task_end(**told_too, reconstruction_attributes={})
        return result

    return told
