"""The fitted parameters of one neuron, and how sure they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from ._linear_algebra import Covariance
from ._validation import FloatArray


@dataclass(frozen=True)
class Neuron:
    """What is known of the parameters of one neuron, of which the intercept is the last."""

    name: Any
    covariance: Covariance
    parameters: FloatArray
    edf: FloatArray  # of each parameter
    dispersion: float
    df_resid: float  # infinite where the dispersion is known
    log_likelihood: float
    deviance: float
    null_deviance: float
    n_samples: float
    extra: int  # parameters of the model beside the coefficients

    def criterion(self, factor: float) -> float:
        """Return `factor` times the number of parameters, less twice the log-likelihood."""
        return float(factor * (np.nansum(self.edf) + self.extra) - 2.0 * self.log_likelihood)

    def quantile(self, level: float) -> float:
        """Return the half width, in standard errors, of an interval."""
        tail = (1.0 + level) / 2.0
        known = np.isinf(self.df_resid)
        return float(stats.norm.ppf(tail) if known else stats.t.ppf(tail, self.df_resid))

    @property
    def pvalues(self) -> FloatArray:
        """Two-sided p-values of the parameters, each against zero."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = np.abs(self.parameters / self.covariance.standard_errors)
        known = np.isinf(self.df_resid)
        return np.asarray(
            2.0 * (stats.norm.sf(ratios) if known else stats.t.sf(ratios, self.df_resid))
        )

    def summary(self, title: str, features: Sequence[str], description: str, level: float) -> str:
        """Return a table of the parameters; `description`: of the covariance."""
        symbol = "z" if np.isinf(self.df_resid) else "t"
        errors = self.covariance.standard_errors
        half = self.quantile(level) * errors
        with np.errstate(invalid="ignore"):
            ratios = self.parameters / errors
        tail = f"{(1.0 - level) / 2.0:.3g}"
        head = [
            "",
            "coef",
            "std err",
            symbol,
            f"P>|{symbol}|",
            f"[{tail}",
            f"{1 - float(tail):.3g}]",
        ]
        order = [len(self.parameters) - 1, *range(len(self.parameters) - 1)]
        names = [*features, "intercept"]
        lines = []
        pvalues = self.pvalues
        for i in order:
            pvalue, value = pvalues[i], self.parameters[i]
            lines.append(
                [
                    names[i],
                    f"{value:.4f}" if abs(value) >= 1e-2 else f"{value:.3g}",
                    f"{errors[i]:.3g}",
                    f"{ratios[i]:.3f}",
                    f"{pvalue:.3f}" if pvalue >= 1e-3 or np.isnan(pvalue) else f"{pvalue:.2g}",
                    f"{value - half[i]:.4g}",
                    f"{value + half[i]:.4g}",
                ]
            )
        widths = [max(len(row[c]) for row in [head, *lines]) for c in range(len(head))]
        table = [
            "  ".join(
                cell.ljust(width) if c == 0 else cell.rjust(width)
                for c, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in [head, *lines]
        ]
        rule = "=" * max(len(line) for line in table)
        facts = [
            ("No. of samples", f"{self.n_samples:g}"),
            ("Effective df", f"{np.nansum(self.edf):.4g}"),
            ("Log-likelihood", f"{self.log_likelihood:.6g}"),
            ("Deviance", f"{self.deviance:.6g} (null {self.null_deviance:.6g})"),
            ("Dispersion", f"{self.dispersion:.6g}"),
            (
                "AIC, BIC",
                f"{self.criterion(2.0):.7g}, {self.criterion(np.log(self.n_samples)):.7g}",
            ),
            ("Covariance", description),
        ]
        left = max(len(name) for name, _ in facts)
        lines_of_facts = [f"{name + ':':<{left + 2}}{value}" for name, value in facts]
        body = [title, rule, *lines_of_facts, rule, table[0], rule, *table[1:], rule]
        if np.isnan(errors[:-1]).any():
            body.append("nan: the data do not identify this coefficient.")
        return "\n".join(body)
