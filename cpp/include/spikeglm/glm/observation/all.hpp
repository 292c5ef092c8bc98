#pragma once
/// The only registry of observation models: kernels, factory, tests and documentation iterate
/// over it. To add a model, write its header and name it here.

#include <tuple>

#include "spikeglm/glm/observation/bernoulli.hpp"
#include "spikeglm/glm/observation/gamma.hpp"
#include "spikeglm/glm/observation/gaussian.hpp"
#include "spikeglm/glm/observation/negative_binomial.hpp"
#include "spikeglm/glm/observation/poisson.hpp"

namespace spikeglm {

using Observations = std::tuple<Poisson, Gamma, Bernoulli, NegativeBinomial, Gaussian>;

/// Whether a model has a parameter.
template <class Model>
inline constexpr bool is_parametric = requires { Model{1.0}; };

/// The model with its parameter, where it has one.
template <class Model>
Model make_model(double parameter) {
    if constexpr (is_parametric<Model>)
        return Model{parameter};
    else
        return Model{};
}

}  // namespace spikeglm
