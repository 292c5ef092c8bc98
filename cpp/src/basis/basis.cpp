#include <cmath>
#include <stdexcept>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/memory.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"
#include "spikeglm/basis/expression.hpp"

namespace spikeglm {

void to_unit(const Bounds& bounds, std::span<double> values) {
    const double half = std::isinf(bounds.high - bounds.low) ? 0.5 : 1.0;
    const double low = half * bounds.low;
    const double range = bounds.high > bounds.low ? half * bounds.high - low : 1.0;
    for (double& value : values) value = (half * value - low) / range;
}

void per_unit(const Bounds& bounds, std::span<double> row) {
    const double range = bounds.high > bounds.low ? bounds.high - bounds.low : 1.0;
    for (double& value : row) value /= range;
}

Basis::Basis(std::string_view family, const BasisParameters& parameters)
    : family_(index_of<BasisFamilies>(family, "basis")),
      n_basis_funcs_(parameters.n_basis_funcs),
      order_(parameters.order) {
    if (n_basis_funcs_ < 1)
        throw std::invalid_argument("`n_basis_funcs` must be at least 1, got " +
                                    std::to_string(n_basis_funcs_) + ".");
    with_type<BasisFamilies>(family_, [&]<class Family>() {
        table_ = Family::prepare(parameters);
        if constexpr (requires { Family::is_density; }) is_density_ = Family::is_density;
        if constexpr (requires { Family::takes_raw_values; })
            takes_raw_values_ = Family::takes_raw_values;
    });
}

BasisView Basis::view() const {
    return {family_, n_basis_funcs_, order_, table_.data(),
            static_cast<std::ptrdiff_t>(table_.size())};
}

std::optional<LocalSupport> Basis::local_support() const {
    std::optional<LocalSupport> support;
    with_type<BasisFamilies>(family_, [&]<class Family>() {
        if constexpr (LocalFamily<Family>) support = Family::support(view());
    });
    if (support && 2 * support->n_runs * support->run_length > n_basis_funcs_) support.reset();
    return support;
}

void Basis::evaluate(std::span<const double> x, const Bounds& bounds, double* out) const {
    std::vector<double> u(x.begin(), x.end());
    if (!takes_raw_values_) to_unit(bounds, u);
    std::vector<double> scratch(static_cast<std::size_t>(basis_scratch(n_basis_funcs_)));
    kernels().evaluate_basis(view(), static_cast<std::ptrdiff_t>(u.size()), u.data(), out,
                             n_basis_funcs_, scratch.data());
    if (is_density_) per_unit(bounds, {out, u.size() * static_cast<std::size_t>(n_basis_funcs_)});
}

std::vector<double> Basis::filters(std::ptrdiff_t window_size) const {
    if (window_size < 1)
        throw std::invalid_argument("`window_size` must be at least 1 sample, got " +
                                    std::to_string(window_size) + ".");
    require_memory(window_size, n_basis_funcs_, sizeof(double), "a bank of filters");
    std::vector<double> grid(static_cast<std::size_t>(window_size), 0.0);
    for (std::ptrdiff_t k = 1; k < window_size; ++k)
        grid[static_cast<std::size_t>(k)] =
            static_cast<double>(k) / static_cast<double>(window_size - 1);
    std::vector<double> values(static_cast<std::size_t>(window_size * n_basis_funcs_));
    evaluate(grid, {0.0, 1.0}, values.data());
    return values;
}

}  // namespace spikeglm
