"""Warnings and errors of this package.

Warnings derive from `UserWarning`, errors from `ValueError`. Each names the neuron, column or row
it is about and says what to do.
"""

from sklearn.exceptions import ConvergenceWarning as _SklearnConvergenceWarning
from sklearn.exceptions import NotFittedError as _SklearnNotFittedError


class SpikeglmWarning(UserWarning):
    """Base of all warnings of this package."""


class ConvergenceWarning(SpikeglmWarning, _SklearnConvergenceWarning):
    """A fit stopped before it reached its tolerance."""


class IdentifiabilityWarning(SpikeglmWarning):
    """The data do not determine all coefficients."""


class SeparationWarning(SpikeglmWarning):
    """Some coefficients run to infinity: the likelihood has no maximum at finite values."""


class SilentNeuronWarning(SpikeglmWarning):
    """A neuron never fires (or y is all zero), so that its rate is fitted as exactly zero."""


class WindowWarning(SpikeglmWarning):
    """A convolution window leaves no complete sample in some epoch."""


class ConstantInputWarning(SpikeglmWarning):
    """The range of a basis was to be learned from an input that takes one value only."""


class StabilityWarning(SpikeglmWarning):
    """The rates of a coupled model run away when it is simulated."""


class DivergenceError(ValueError):
    """A simulated rate has left the range of counts: the model runs away."""


class NotFittedError(_SklearnNotFittedError):
    """A method was called that needs a fitted model."""
