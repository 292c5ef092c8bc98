#include "output_losses.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/fit.hpp"
#include "spikeglm/glm/observation/all.hpp"

namespace spikeglm {

OutputLosses::OutputLosses(const spikeglm_observations& given) {
    if (given.n_outputs < 1) throw std::invalid_argument("there must be at least one output.");
    if (given.model == nullptr) throw std::invalid_argument("the observation model is NULL.");
    selector_ = select_loss(given.model, given.link == nullptr ? "" : given.link);
    weights_.assign(given.n_outputs, 1.0);
    parameters_.assign(1, 1.0);
    bool has_parameter = false;
    with_type<Observations>(selector_.model,
                            [&]<class Model>() { has_parameter = !std::is_empty_v<Model>; });
    for (std::size_t o = 0; given.dispersion != nullptr && o < given.n_outputs; ++o) {
        const double phi = given.dispersion[o];
        if (!(phi > 0.0) || std::isinf(phi))
            throw std::invalid_argument("a dispersion must be positive and finite, got " +
                                        std::to_string(phi) + ".");
        if (!has_parameter)
            weights_[o] = 1.0 / phi;
        else if (o == 0)
            parameters_.assign(given.n_outputs, phi);
        else
            parameters_[o] = phi;
    }
    for (auto* array : {&y_, &used_, &d1_, &d2_}) array->assign(given.n_outputs, 0.0);
    (void)kernels();  // loads them
}

void OutputLosses::observe(const double* y, const double* base) noexcept {
    with_type<Observations>(selector_.model, [&]<class Model>() {
        for (std::size_t o = 0; o < y_.size(); ++o) {
            const bool possible =
                std::isfinite(y[o]) && Model::in_support(y[o]) && !std::isnan(base[o]);
            y_[o] = possible ? y[o] : 0.0;
            used_[o] = possible ? weights_[o] : 0.0;
        }
    });
}

double OutputLosses::evaluate(const double* eta, Curvature curvature) noexcept {
    double loss = 0.0;
    const std::size_t step = parameters_.size() == 1 ? y_.size() : 1;
    for (std::size_t o = 0; o < y_.size(); o += step) {
        selector_.parameter = parameters_[step == 1 ? o : 0];
        loss += kernels().row_terms(selector_, curvature, static_cast<std::ptrdiff_t>(step),
                                    y_.data() + o, eta + o, used_.data() + o, d1_.data() + o,
                                    d2_.data() + o);
    }
    return loss;
}

}  // namespace spikeglm
