#pragma once
/// The only registry of observation models: kernels, factory, tests and documentation iterate
/// over it. To add a model, write its header and name it here.

#include <tuple>

#include "spikeglm/glm/observation/gamma.hpp"
#include "spikeglm/glm/observation/poisson.hpp"

namespace spikeglm {

using Observations = std::tuple<Poisson, Gamma>;

}  // namespace spikeglm
