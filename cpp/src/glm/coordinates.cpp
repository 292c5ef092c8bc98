#include "coordinates.hpp"

#include <algorithm>
#include <cmath>

namespace spikeglm {
namespace {

/// Columns further from zero than this many of their standard deviations, or of a scale whose
/// square may leave the range of doubles, are standardised row by row; centring by sums costs the
/// others at most the square of it in units of rounding.
constexpr double centre_by_sums_below = 3.0;
constexpr double extreme_scale = 1e100;

}  // namespace

Coordinates::Coordinates(const ColumnMoments& moments, std::span<const std::uint8_t> excluded,
                         bool intercept)
    : intercept_(intercept), location_(moments.mean), spread_(moments.sd) {
    for (std::size_t j = 0; j < spread_.size(); ++j) {
        const auto column = static_cast<std::ptrdiff_t>(j);
        if (!intercept) {
            spread_[j] = std::hypot(location_[j], spread_[j]);
            location_[j] = 0.0;
        }
        if (!excluded.empty() && excluded[j] != 0) {
            spread_[j] = 1.0;
            location_[j] = 0.0;
        } else if (spread_[j] == 0.0) {
            spread_[j] = 1.0;  // its coefficient stays zero
            aliased_.push_back(column);
        } else {
            candidates_.push_back(column);
        }
    }
    if (intercept) candidates_.push_back(static_cast<std::ptrdiff_t>(spread_.size()));
}

bool Coordinates::is_candidate(std::ptrdiff_t column) const {
    return std::binary_search(candidates_.begin(), candidates_.end(), column);
}

void Coordinates::share_spread(std::span<const std::ptrdiff_t> begin,
                               std::span<const std::ptrdiff_t> members) {
    for (std::size_t g = 0; g + 1 < begin.size(); ++g) {
        const auto group = members.subspan(static_cast<std::size_t>(begin[g]),
                                           static_cast<std::size_t>(begin[g + 1] - begin[g]));
        double log_sum = 0.0;
        std::ptrdiff_t count = 0;
        for (const std::ptrdiff_t j : group)
            if (is_candidate(j)) {
                log_sum += std::log(spread_[static_cast<std::size_t>(j)]);
                ++count;
            }
        if (count < 2) continue;
        const double shared = std::exp(log_sum / static_cast<double>(count));
        for (const std::ptrdiff_t j : group)
            if (is_candidate(j)) set_spread(j, shared);
    }
}

void Coordinates::set_spread(std::ptrdiff_t column, double spread) {
    spread_[static_cast<std::size_t>(column)] = spread;
}

Coordinates Coordinates::without(std::span<const std::uint8_t> excluded) const {
    Coordinates rest = *this;
    const auto is_excluded = [&](std::ptrdiff_t j) {
        return j < static_cast<std::ptrdiff_t>(excluded.size()) &&
               excluded[static_cast<std::size_t>(j)] != 0;
    };
    std::erase_if(rest.candidates_, is_excluded);
    std::erase_if(rest.aliased_, is_excluded);
    return rest;
}

Coordinates::Split Coordinates::split() const {
    const std::size_t p = cols();
    Split split{std::vector<double>(p, 0.0), std::vector<double>(p, 1.0),
                std::vector<double>(p, 0.0), std::vector<double>(p, 1.0)};
    bool any_row_by_row = false;
    for (std::size_t j = 0; j < p; ++j) {
        if (!is_candidate(static_cast<std::ptrdiff_t>(j))) {
            split.sum_location[j] = location_[j];
            continue;
        }
        const bool row_by_row = std::abs(location_[j]) > centre_by_sums_below * spread_[j] ||
                                spread_[j] > extreme_scale || spread_[j] < 1.0 / extreme_scale;
        any_row_by_row = any_row_by_row || row_by_row;
        (row_by_row ? split.row_location : split.sum_location)[j] = location_[j];
        (row_by_row ? split.row_spread : split.sum_spread)[j] = spread_[j];
    }
    if (!any_row_by_row) split.row_location = split.row_spread = {};
    return split;
}

void Coordinates::to_user_units(std::span<const double> gamma, std::span<double> coef,
                                double& intercept) const {
    intercept = gamma[cols()];
    std::fill(coef.begin(), coef.end(), 0.0);
    for (const std::ptrdiff_t candidate : candidates_) {
        const auto j = static_cast<std::size_t>(candidate);
        if (j == cols()) continue;
        coef[j] = gamma[j] / spread_[j] + 0.0;  // + 0.0: no negative zeros
        intercept -= location_[j] * coef[j];
    }
}

std::vector<double> Coordinates::from_user_units(std::span<const double> coef,
                                                 double intercept) const {
    std::vector<double> gamma(cols() + 1, 0.0);
    gamma.back() = intercept_ ? intercept : 0.0;
    for (std::size_t j = 0; j < cols(); ++j) {
        if (is_candidate(static_cast<std::ptrdiff_t>(j))) gamma[j] = coef[j] * spread_[j];
        if (intercept_) gamma.back() += location_[j] * coef[j];
    }
    return gamma;
}

}  // namespace spikeglm
