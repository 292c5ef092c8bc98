#pragma once
/// The only registry of basis families: kernels, factory, tests and documentation iterate over it.
/// To add a family, write its header and name it here.

#include <tuple>

#include "spikeglm/basis/identity.hpp"
#include "spikeglm/basis/one_hot.hpp"
#include "spikeglm/basis/orth_exponential.hpp"
#include "spikeglm/basis/raised_cosine.hpp"
#include "spikeglm/basis/spline.hpp"

namespace spikeglm {

using BasisFamilies = std::tuple<BSpline, CyclicBSpline, MSpline, RaisedCosineLinear,
                                 RaisedCosineLog, OrthExponential, Identity, OneHot>;

}  // namespace spikeglm
