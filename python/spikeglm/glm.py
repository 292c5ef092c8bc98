"""Generalized linear models."""

from ._classifier import ClassifierGLM, ClassifierPopulationGLM
from ._cross_validation import GLMCV, PopulationGLMCV
from ._glm import GLM, PopulationGLM
from ._paths import RegularizationPath

__all__ = [
    "GLM",
    "GLMCV",
    "ClassifierGLM",
    "ClassifierPopulationGLM",
    "PopulationGLM",
    "PopulationGLMCV",
    "RegularizationPath",
]
