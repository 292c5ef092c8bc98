#pragma once
/// Fourier features of one or more inputs: plane waves in the unit of the bounds.
///
/// With u_d = (x_d - low_d) / (high_d - low_d) and K combinations of frequencies f_dk, whole
/// numbers, the columns of a channel are
///   cos(2 pi sum_d f_dk u_d)   for every k, then
///   sin(2 pi sum_d f_dk u_d)   for every k but those whose frequencies are all zero.
/// The bounds are the period: there is no outside. The phase is reduced to one turn before it is
/// rounded, so that values are within 1e-15 of the exact ones for frequencies up to 2^26 and inputs
/// within 2^26 periods of the bounds.
/// Cost per sample: two divisions per input; per combination one cosine and sine (circle.hpp).

#include <span>
#include <vector>

#include "spikeglm/basis/expression.hpp"

namespace spikeglm {

/// `inputs` have one shape, (samples, channels); `bounds` one entry per input and channel;
/// `frequencies` is row-major (inputs, combinations) and is copied. A NaN makes the columns of its
/// channel NaN.
ExpressionPtr make_fourier(std::vector<MatrixView> inputs,
                           const std::vector<std::vector<Bounds>>& bounds,
                           std::span<const double> frequencies);

}  // namespace spikeglm
