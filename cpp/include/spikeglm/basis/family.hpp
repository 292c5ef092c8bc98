#pragma once
/// What a basis family is made of.
///
/// A family is a plain struct with
///   name                       what users call it;
///   prepare(parameters)        checks the parameters and lays out the table of numbers that
///                              `evaluate` reads (knots, peaks); throws std::invalid_argument;
///   evaluate(basis, u, out)    writes the n_basis_funcs values at u, which is in units of the
///                              bounds: 0 at the lower bound, 1 at the upper. At a NaN the kernels
///                              write NaN, whatever a family wrote. u and out are doubles; or, as
///                              template <class V>, of a number-like type, and then the kernels
///                              evaluate the samples of a packet at once. exp, log1p, abs, min,
///                              nearest and select of a V are found by argument-dependent lookup.
/// Outside [0, 1] a family writes NaN where it is not defined. A family may add
///   is_density = true          its functions integrate to one in x: values are divided by the
///                              width of the bounds;
///   takes_raw_values = true    u is x itself, not rescaled by the bounds;
///   support(basis)             a LocalSupport, where few of its functions are not zero at any u;
///                              such a family has no `evaluate`, but
///   place(basis, u)            the Place of u, and
///   evaluate_runs<Order>(basis, place, values, starts)
///                              for an order that the compiler knows, or 0: the values of the
///                              runs, one run after the other, and the function at which each
///                              begins. Runs do not overlap, and all lie among the functions
///                              wherever u is. NaN where no function is defined.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

/// Parameters of every family; each reads those that concern it.
struct BasisParameters {
    std::ptrdiff_t n_basis_funcs = 5;
    int order = 4;                      ///< splines: degree + 1
    double width = 2.0;                 ///< raised cosines: half width of a bump in peak distances
    double time_scaling = 50.0;         ///< raised cosine log: strength of the compression
    bool enforce_decay_to_zero = true;  ///< raised cosine log: whether the last bump ends at u = 1
    std::vector<double> decay_rates;    ///< exponentials: per unit of u
    std::vector<double> mixing;         ///< exponentials: (decay_rates, n_basis_funcs), row-major
};

/// What a row of a family with local support stores (backend/row_block.hpp).
struct LocalSupport {
    std::ptrdiff_t n_runs = 1;
    std::ptrdiff_t run_length = 1;
};

/// Where u lies: in which of the intervals of the basis, and how far from its ends. `from_left` is
/// NaN where u is in none of them; the interval is then 0.
struct Place {
    std::int32_t interval;
    double from_left;
    double to_right;
};

template <class Family>
concept LocalFamily = requires(const BasisView& basis) { Family::support(basis); };

inline constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

}  // namespace spikeglm
