#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "side_by_side.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/fit.hpp"
#include "spikeglm/glm/observation/all.hpp"

namespace spikeglm {

void predict(const Design& design, std::span<const double> coef, double intercept,
             std::span<const double> offset, int link, double* mu, const Execution& execution) {
    predict_many(design, coef, std::span(&intercept, 1), offset, link, mu, execution);
}

void predict_many(const Design& design, std::span<const double> coef,
                  std::span<const double> intercepts, std::span<const double> offset, int link,
                  double* mu, const Execution& execution) {
    const auto n_models = static_cast<std::ptrdiff_t>(intercepts.size());
    if (intercepts.empty()) throw std::invalid_argument("there is no model to predict with.");
    if (static_cast<std::ptrdiff_t>(coef.size()) != design.cols() * n_models)
        throw std::invalid_argument("X has " + std::to_string(design.cols()) +
                                    " columns, the model was fitted with " +
                                    std::to_string(coef.size() / intercepts.size()) + ".");
    if (!offset.empty() && static_cast<std::ptrdiff_t>(offset.size()) != design.rows())
        throw std::invalid_argument("offset has " + std::to_string(offset.size()) +
                                    " values, X has " + std::to_string(design.rows()) + " rows.");
    // Side by side also where there is one: a model predicts the same bits whatever others there
    // are.
    const SideBySide layout(design.cols(), intercepts.size(), true);
    AlignedNumbers beta(layout.size());
    for (std::ptrdiff_t m = 0; m < n_models; ++m)
        for (std::ptrdiff_t c = 0; c < design.cols(); ++c)
            beta[layout(c, m)] = coef[static_cast<std::size_t>(c + m * design.cols())];
    for_each_block(
        RowPlan::make(design.rows(), 1), execution,
        [&](std::ptrdiff_t, std::ptrdiff_t first, std::ptrdiff_t count, Workspace::Frame& frame) {
            const RowBlock x = design.block(first, count, frame);
            double* eta = frame.take(count * n_models);
            for (std::ptrdiff_t m = 0; m < n_models; ++m)
                for (std::ptrdiff_t r = 0; r < count; ++r)
                    eta[r + m * count] =
                        intercepts[static_cast<std::size_t>(m)] +
                        (offset.empty() ? 0.0 : offset[static_cast<std::size_t>(first + r)]);
            layout.add_eta(x, beta.data(), 0, n_models, eta);
            // An infinity in X shows in eta as an infinity or a NaN; finite eta need no look.
            for (std::ptrdiff_t m = 0; m < n_models; ++m) {
                for (std::ptrdiff_t r = 0; r < count; ++r)
                    if (!std::isfinite(eta[r + m * count])) refuse_infinities(x, r, first);
                kernels().inverse_link(link, count, eta + m * count,
                                       mu + first + m * design.rows());
            }
        });
}

void row_quantity(int model, RowQuantity quantity, std::span<const double> y,
                  std::span<const double> mu, double dispersion, double* out) {
    if (y.size() != mu.size())
        throw std::invalid_argument("y has " + std::to_string(y.size()) +
                                    " values, the predicted rate " + std::to_string(mu.size()) +
                                    ".");
    with_type<Observations>(model, [&]<class Model>() {
        const auto observations = make_model<Model>(dispersion);
        for (std::size_t i = 0; i < y.size(); ++i) {
            if (std::isnan(y[i]) || std::isnan(mu[i])) {
                out[i] = std::numeric_limits<double>::quiet_NaN();
                continue;
            }
            if (std::isinf(y[i]) || !Model::in_support(y[i]))
                throw std::invalid_argument("y is " + std::to_string(y[i]) + " at row " +
                                            std::to_string(i) + "; expected " +
                                            std::string(Model::support) + ".");
            switch (quantity) {
                case RowQuantity::log_likelihood:
                    out[i] = observations.log_likelihood(y[i], mu[i], dispersion);
                    break;
                case RowQuantity::deviance: out[i] = observations.deviance(y[i], mu[i]); break;
                case RowQuantity::pearson_residual:
                    out[i] = (y[i] - mu[i]) / observations.standard_deviation(mu[i]);
                    break;
            }
        }
    });
}

}  // namespace spikeglm
