#include "separation.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/memory.hpp"

namespace spikeglm {
namespace {

/// Share of a direction's squared length in the rows that stop it below which it counts as open;
/// rounding of the Gram matrix leaves about 1e-13.
constexpr double open_share = 1e-10;
/// Rows that move by less than this share of the furthest count as not moving.
constexpr double still = 1e-6;
/// Rows that gain at least this share of the furthest are separated together; those that gain less
/// are left to the next round, so that no direction has to be followed very far.
constexpr double gaining = 0.05;
constexpr int max_rectifications = 5000;

/// -1 or +1: the side on which the loss of a row falls towards its infimum and is flat far out, so
/// that the row gains from going there; 0: none. Judged at two distances, because at one of them a
/// slope may vanish by chance, and beside a grid: a loss that saturates may be flat without being
/// small.
int open_side(LossSelector loss, double y) {
    const auto loss_at = [&](double eta, double& d1) {
        double d2 = 0.0;
        return kernels().row_terms(loss, Curvature::none, 1, &y, &eta, nullptr, &d1, &d2);
    };
    double d1 = 0.0;
    double least = std::numeric_limits<double>::infinity();
    for (int power = -10; power <= 10; ++power)
        for (const double sign : {-1.0, 1.0})
            least = std::fmin(least, loss_at(std::ldexp(sign, power), d1));
    for (const int side : {-1, 1}) {
        const auto flat = [&](double distance) {
            const double eta = side * distance;
            const double value = loss_at(eta, d1);
            return std::isfinite(value) && std::abs(d1 * eta) < 1e-6 &&
                   !(value > least + 1e-12 * std::abs(least));
        };
        if (flat(1e10) && flat(3e10)) return side;
    }
    return 0;
}

Eigen::MatrixXd restricted(std::span<const double> full, std::ptrdiff_t size,
                           std::span<const std::ptrdiff_t> free) {
    const auto n = static_cast<std::ptrdiff_t>(free.size());
    Eigen::MatrixXd part(n, n);
    for (std::ptrdiff_t j = 0; j < n; ++j)
        for (std::ptrdiff_t i = 0; i < n; ++i)
            part(i, j) = full[static_cast<std::size_t>(free[static_cast<std::size_t>(i)] +
                                                       free[static_cast<std::size_t>(j)] * size)];
    return part;
}

/// L^-1 matrix L^-T for the Cholesky factor L of the Gram matrix.
Eigen::MatrixXd whitened(const Eigen::LLT<Eigen::MatrixXd>& gram, Eigen::MatrixXd matrix) {
    gram.matrixL().solveInPlace(matrix);
    matrix = matrix.transpose().eval();
    gram.matrixL().solveInPlace(matrix);
    return matrix;
}

/// Directions, as columns over all coordinates, along which the rows with weight do not move.
Eigen::MatrixXd open_directions(std::span<const double> gram, std::span<const double> stopping,
                                std::ptrdiff_t size, std::span<const std::ptrdiff_t> free) {
    const Eigen::LLT<Eigen::MatrixXd> all(restricted(gram, size, free));
    if (all.info() != Eigen::Success) return Eigen::MatrixXd(size, 0);
    const Eigen::MatrixXd share = whitened(all, restricted(stopping, size, free));
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> spectrum(share);
    const std::ptrdiff_t n_open = (spectrum.eigenvalues().array() < open_share).count();
    Eigen::MatrixXd open = spectrum.eigenvectors().leftCols(n_open);
    all.matrixU().solveInPlace(open);
    Eigen::MatrixXd directions = Eigen::MatrixXd::Zero(size, n_open);
    for (std::size_t i = 0; i < free.size(); ++i)
        directions.row(free[i]) = open.row(static_cast<std::ptrdiff_t>(i));
    return directions;
}

struct Rectified {
    Eigen::VectorXd c;
    std::vector<bool> gains;  // per row
};

/// The nearest direction in which the rows that do not gain stand exactly still; empty when one of
/// the others would then lose.
std::optional<Rectified> settle(const Eigen::MatrixXd& moves, const Eigen::VectorXd& c) {
    const Eigen::VectorXd moved = moves * c;
    Rectified result;
    Eigen::MatrixXd held = Eigen::MatrixXd::Zero(c.size(), c.size());
    for (std::ptrdiff_t r = 0; r < moves.rows(); ++r) {
        result.gains.push_back(moved(r) > gaining * moved.maxCoeff());
        if (!result.gains.back()) held += moves.row(r).transpose() * moves.row(r);
    }
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> spectrum(held);
    // The columns of `moves` have unit length together with the rows that stop them.
    const std::ptrdiff_t n_open = (spectrum.eigenvalues().array() < open_share).count();
    const Eigen::MatrixXd open = spectrum.eigenvectors().leftCols(n_open);
    result.c = open * (open.transpose() * c);
    const Eigen::VectorXd settled = moves * result.c;
    const double furthest = n_open > 0 ? settled.maxCoeff() : 0.0;
    if (!(furthest > still)) return std::nullopt;
    for (std::ptrdiff_t r = 0; r < moves.rows(); ++r)
        if (result.gains[static_cast<std::size_t>(r)] && !(settled(r) > still * furthest))
            return std::nullopt;
    return result;
}

/// Iterative rectifier: finds c with `moves * c` >= 0 and clearly positive in some rows; empty when
/// only zero will do.
std::optional<Rectified> rectify(const Eigen::MatrixXd& moves) {
    const Eigen::LLT<Eigen::MatrixXd> normal(moves.transpose() * moves);
    Eigen::VectorXd target = Eigen::VectorXd::Ones(moves.rows());
    for (int i = 0; i < max_rectifications; ++i) {
        const Eigen::VectorXd c = normal.solve(moves.transpose() * target);
        const Eigen::VectorXd fitted = moves * c;
        const double furthest = fitted.maxCoeff();
        // The largest feasible target shrinks to zero where there is no direction.
        if (!(furthest > 1e-6)) return std::nullopt;
        if (i % 10 == 0 || fitted.minCoeff() >= -still * furthest)
            if (auto settled = settle(moves, c / furthest)) return settled;
        target = fitted.cwiseMax(0.0);
    }
    return std::nullopt;
}

}  // namespace

double weakest_share(std::span<const double> gram, std::span<const double> curvature,
                     std::ptrdiff_t size, std::span<const std::ptrdiff_t> free) {
    const Eigen::LLT<Eigen::MatrixXd> reference(restricted(gram, size, free));
    if (reference.info() != Eigen::Success) return 0.0;
    const Eigen::MatrixXd share = whitened(reference, restricted(curvature, size, free));
    const Eigen::LLT<Eigen::MatrixXd> factor(share);
    if (factor.info() != Eigen::Success) return 0.0;
    Eigen::VectorXd probe = Eigen::VectorXd::Ones(share.rows()).normalized();
    double inverse = 0.0;
    for (int i = 0; i < 8; ++i) {
        probe = factor.solve(probe);
        inverse = probe.norm();
        probe /= inverse;
    }
    return static_cast<double>(share.rows()) / (inverse * share.trace());
}

std::optional<Separation> find_separation(const Likelihood& likelihood,
                                          std::span<const double> gram,
                                          std::span<const std::ptrdiff_t> free) {
    const Sample& sample = likelihood.sample();
    const auto n = sample.y.size();
    // Distinct counts are few: the last one is remembered.
    double last_y = std::numeric_limits<double>::quiet_NaN();
    int last_side = 0;
    std::vector<std::ptrdiff_t> open_rows;
    std::vector<double> sign;
    std::vector<double> stops(n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
        if (!sample.weight.empty() && sample.weight[i] == 0.0) continue;
        if (sample.y[i] != last_y) {
            last_y = sample.y[i];
            last_side = open_side(likelihood.loss(), last_y);
        }
        if (last_side == 0) {
            stops[i] = 1.0;
        } else {
            open_rows.push_back(static_cast<std::ptrdiff_t>(i));
            sign.push_back(last_side);
        }
    }
    if (open_rows.empty()) return std::nullopt;

    const std::ptrdiff_t size = likelihood.size();
    const Eigen::MatrixXd directions = open_directions(gram, likelihood.gram(stops), size, free);
    const std::ptrdiff_t n_open = directions.cols();
    if (n_open == 0) return std::nullopt;

    const auto n_rows = static_cast<std::ptrdiff_t>(open_rows.size());
    require_memory(n_rows, n_open, sizeof(double), "the rows checked for separation");
    Eigen::MatrixXd moves(n_rows, n_open);
    for (std::ptrdiff_t k = 0; k < n_open; ++k) {
        const Eigen::VectorXd direction = directions.col(k);
        const std::vector<double> eta =
            likelihood.change_of_eta({direction.data(), static_cast<std::size_t>(size)});
        for (std::ptrdiff_t r = 0; r < n_rows; ++r)
            moves(r, k) = sign[static_cast<std::size_t>(r)] *
                          eta[static_cast<std::size_t>(open_rows[static_cast<std::size_t>(r)])];
    }
    const auto rectified = rectify(moves);
    if (!rectified) return std::nullopt;

    const Eigen::VectorXd direction = directions * rectified->c;
    Separation result;
    result.direction.assign(direction.data(), direction.data() + size);
    for (std::size_t r = 0; r < open_rows.size(); ++r)
        if (rectified->gains[r]) result.rows.push_back(open_rows[r]);
    return result;
}

}  // namespace spikeglm
