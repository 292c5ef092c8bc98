#include "spikeglm/solver/objective.hpp"

#include <stdexcept>

#include "spikeglm/solver/restricted.hpp"

namespace spikeglm {
namespace {

std::size_t index(std::ptrdiff_t j) { return static_cast<std::size_t>(j); }

}  // namespace

std::ptrdiff_t Objective::n_rows() const {
    throw std::invalid_argument(
        "this objective has no gradients of single rows, which a stochastic solver needs; choose "
        "another solver.");
}

void Objective::row_gradients(std::span<const std::ptrdiff_t>, std::span<const double>,
                              std::span<double>) const {
    static_cast<void>(Objective::n_rows());  // throws
}

Restricted::Restricted(const Objective& full, std::span<const std::ptrdiff_t> chosen,
                       std::span<const double> at)
    : full_(full),
      chosen_(chosen.begin(), chosen.end()),
      point_(at.begin(), at.end()),
      full_gradient_(at.size()) {}

std::ptrdiff_t Restricted::size() const { return static_cast<std::ptrdiff_t>(chosen_.size()); }

void Restricted::evaluate(std::span<const double> x, Curvature kind, Evaluation& out) const {
    scatter(x, point_);
    full_.evaluate(point_, kind, at_point_);
    gather(at_point_, out);
}

void Restricted::row_gradients(std::span<const std::ptrdiff_t> rows, std::span<const double> x,
                               std::span<double> sum) const {
    scatter(x, point_);
    full_.row_gradients(rows, point_, full_gradient_);
    for (std::size_t i = 0; i < chosen_.size(); ++i) sum[i] = full_gradient_[index(chosen_[i])];
}

std::vector<double> Restricted::gather(std::span<const double> full) const {
    std::vector<double> part;
    part.reserve(chosen_.size());
    for (const std::ptrdiff_t j : chosen_) part.push_back(full[index(j)]);
    return part;
}

void Restricted::gather(const Evaluation& full, Evaluation& out) const {
    const std::size_t n = chosen_.size();
    out.value = full.value;
    out.kind = full.kind;
    out.gradient.resize(n);
    for (std::size_t i = 0; i < n; ++i) out.gradient[i] = full.gradient[index(chosen_[i])];
    out.curvature.resize(full.curvature.empty() ? 0 : n * n);
    if (full.curvature.empty()) return;
    for (std::size_t j = 0; j < n; ++j) {
        const double* column = full.curvature.data() + index(chosen_[j]) * point_.size();
        for (std::size_t i = 0; i < n; ++i) out.curvature[i + j * n] = column[index(chosen_[i])];
    }
}

void Restricted::scatter(std::span<const double> x, std::span<double> full) const {
    for (std::size_t i = 0; i < chosen_.size(); ++i) full[index(chosen_[i])] = x[i];
}

}  // namespace spikeglm
