#include "spikeglm/solver/rank.hpp"

#include <Eigen/Cholesky>
#include <cmath>

namespace spikeglm {

RankReport rank_of_gram(std::span<const double> gram, std::ptrdiff_t size,
                        std::span<const std::ptrdiff_t> candidates, double relative_tolerance) {
    const auto n = static_cast<std::ptrdiff_t>(candidates.size());
    Eigen::MatrixXd a(n, n);
    Eigen::VectorXd scale(n);
    const auto entry = [&](std::ptrdiff_t i, std::ptrdiff_t j) {
        return gram[static_cast<std::size_t>(candidates[static_cast<std::size_t>(i)] +
                                             candidates[static_cast<std::size_t>(j)] * size)];
    };
    for (std::ptrdiff_t i = 0; i < n; ++i)
        scale(i) = entry(i, i) > 0.0 ? 1.0 / std::sqrt(entry(i, i)) : 0.0;
    for (std::ptrdiff_t j = 0; j < n; ++j)
        for (std::ptrdiff_t i = 0; i < n; ++i) a(i, j) = entry(i, j) * scale(i) * scale(j);

    RankReport report;
    // Blocked and without pivoting first: full rank is the common case.
    const Eigen::LLT<Eigen::MatrixXd> whole(a);
    if (whole.info() == Eigen::Success &&
        whole.matrixLLT().diagonal().cwiseAbs2().minCoeff() > 100.0 * relative_tolerance) {
        report.independent.assign(candidates.begin(), candidates.end());
        return report;
    }

    // Left-looking elimination: `left` is what remains of each diagonal entry.
    Eigen::MatrixXd factor = Eigen::MatrixXd::Zero(n, n);
    Eigen::VectorXd left = a.diagonal();
    std::vector<std::ptrdiff_t> order;
    std::vector<bool> taken(static_cast<std::size_t>(n), false);
    for (std::ptrdiff_t k = 0; k < n; ++k) {
        std::ptrdiff_t pivot = -1;
        if (k == 0 && candidates.back() == size - 1 && left(n - 1) > 0.0) {
            pivot = n - 1;
        } else {
            for (std::ptrdiff_t i = 0; i < n; ++i)
                if (!taken[static_cast<std::size_t>(i)] && (pivot < 0 || left(i) > left(pivot)))
                    pivot = i;
        }
        if (!(left(pivot) > relative_tolerance)) break;
        taken[static_cast<std::size_t>(pivot)] = true;
        order.push_back(pivot);
        const double root = std::sqrt(left(pivot));
        factor.col(k) =
            (a.col(pivot) - factor.leftCols(k) * factor.row(pivot).head(k).transpose()) / root;
        left -= factor.col(k).cwiseAbs2();
    }

    const auto r = static_cast<std::ptrdiff_t>(order.size());
    Eigen::MatrixXd basis(r, r);
    for (std::ptrdiff_t i = 0; i < r; ++i) {
        report.independent.push_back(
            candidates[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
        for (std::ptrdiff_t j = 0; j < r; ++j)
            basis(i, j) = a(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(j)]);
    }
    if (r == n) return report;

    const Eigen::LLT<Eigen::MatrixXd> decomposition(basis);
    for (std::ptrdiff_t k = 0; k < n; ++k) {
        if (taken[static_cast<std::size_t>(k)]) continue;
        Eigen::VectorXd cross(r);
        for (std::ptrdiff_t i = 0; i < r; ++i) cross(i) = a(order[static_cast<std::size_t>(i)], k);
        Eigen::VectorXd weights = decomposition.solve(cross);
        // Rounding, which units that differ by powers of ten would magnify, is no dependence.
        const double rounding = 10.0 * relative_tolerance * weights.lpNorm<Eigen::Infinity>();
        weights = (weights.array().abs() <= rounding).select(0.0, weights);
        std::vector<double> null_vector(static_cast<std::size_t>(size), 0.0);
        // Back from the unit diagonal, with coordinate k at one.
        const double own = scale(k) > 0.0 ? scale(k) : 1.0;
        null_vector[static_cast<std::size_t>(candidates[static_cast<std::size_t>(k)])] = 1.0;
        for (std::ptrdiff_t i = 0; i < r; ++i) {
            const auto o = order[static_cast<std::size_t>(i)];
            null_vector[static_cast<std::size_t>(candidates[static_cast<std::size_t>(o)])] =
                -weights(i) * scale(o) / own;
        }
        report.dependent.push_back(candidates[static_cast<std::size_t>(k)]);
        report.null_vectors.push_back(std::move(null_vector));
    }
    return report;
}

}  // namespace spikeglm
