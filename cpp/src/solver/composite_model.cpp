// Block coordinate descent, and Newton's method on the blocks that are not zero.
#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "models.hpp"

namespace spikeglm {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Index = std::ptrdiff_t;

constexpr double epsilon = std::numeric_limits<double>::epsilon();
/// Rounds of one complete sweep, sweeps over the blocks that are not zero, and Newton steps.
constexpr int max_rounds = 200;
constexpr int active_sweeps = 30;
constexpr int newton_steps = 8;
/// Sweeps that leave more than this share of the residual give way to Newton's method.
constexpr double worthwhile = 0.6;
/// Ends after so many rounds without half of the best residual: rounding allows no more.
constexpr int max_stalls = 20;
/// Share of the residual of x at which the minimiser counts as found.
constexpr double sufficient = 1e-6;
/// Below this share of the largest diagonal a curvature is rounding.
constexpr double flat = 1e-14;
/// More damping than this is not for rounding: the curvature is indefinite.
constexpr double rounding_damping = 1e-8;

/// A block and its spectral decomposition, made when the block is first moved.
struct Spectrum {
    VectorXd values;
    MatrixXd vectors;
};

/// t = ||z|| of argmin_z z'Az/2 - b'z + w ||z||, ||b|| > w, with the eigenvalues a of A and c =
/// Q'b: the root of phi(t) = 1 / ||c / (a t + w)|| - 1. phi rises and, a power mean of linear
/// functions, is concave: Newton's method from the left stays there and comes in a few steps.
double secular_root(const VectorXd& a, const double* c, double w) {
    double norm = 0.0;
    for (Index k = 0; k < a.size(); ++k) norm += c[k] * c[k];
    double t = (std::sqrt(norm) - w) / a.maxCoeff();  // the root if all a were the largest
    for (int i = 0; i < 100; ++i) {
        double squares = 0.0;
        double slope = 0.0;
        for (Index k = 0; k < a.size(); ++k) {
            const double share = c[k] / (a(k) * t + w);
            squares += share * share;
            slope += share * share * a(k) / (a(k) * t + w);
        }
        const double step = squares * (std::sqrt(squares) - 1.0) / slope;
        if (!(step > 4.0 * epsilon * t)) break;
        t += step;
    }
    return t;
}

}  // namespace

struct CompositeModel::Work {
    // The model.
    MatrixXd h;
    VectorXd diagonal, gradient, x;
    const GroupNorms* groups = nullptr;
    std::vector<Index> others;
    std::vector<Spectrum> spectra;  // of groups with more than one member
    // The state: z and the gradient g + H (z - x) of the quadratic there.
    VectorXd z, r;
    std::vector<bool> active;  // groups that are not zero
    bool positive_curvature = true;
    // Scratch.
    VectorXd scratch, b, c, face_gradient, face_step, face_change, product;
    MatrixXd face_curvature;
    std::vector<Index> face;

    void set(const Penalty& penalty, std::span<const double> at, const Evaluation& at_x);
    void move(Index j, double to);
    void update_coordinate(Index j, double weight);
    void update_group(std::size_t g);
    void sweep(bool all);
    bool set_face();
    bool newton_on_face();
    [[nodiscard]] double change_along(double length);
    [[nodiscard]] double bregman_distance() const;
    double residual_of(const VectorXd& at, const VectorXd& subgradient);
};

CompositeModel::CompositeModel() : work_(std::make_unique<Work>()) {}
CompositeModel::~CompositeModel() = default;

namespace {

std::span<double> span_of(VectorXd& v) { return {v.data(), static_cast<std::size_t>(v.size())}; }
std::span<const double> span_of(const VectorXd& v) {
    return {v.data(), static_cast<std::size_t>(v.size())};
}

double norm_of(std::span<const Index> members, const VectorXd& v) {
    double sum = 0.0;
    for (const Index j : members) sum += v(j) * v(j);
    return members.size() == 1 ? std::abs(v(members[0])) : std::sqrt(sum);
}

}  // namespace

void CompositeModel::Work::set(const Penalty& penalty, std::span<const double> at,
                               const Evaluation& at_x) {
    const auto n = static_cast<Index>(at.size());
    x = Eigen::Map<const VectorXd>(at.data(), n);
    h = Eigen::Map<const MatrixXd>(at_x.curvature.data(), n, n);
    penalty.add_curvature({h.data(), at.size() * at.size()});
    gradient = Eigen::Map<const VectorXd>(at_x.gradient.data(), n);
    penalty.add_gradient(at, span_of(gradient));
    diagonal = h.diagonal();
    groups = &penalty.groups();
    others = groups->others(at.size());
    spectra.assign(groups->n_groups(), {});
    z = x;
    r = gradient;
    positive_curvature = diagonal.minCoeff() >= -rounding_damping * diagonal.cwiseAbs().maxCoeff();
    active.assign(groups->n_groups(), false);
    for (std::size_t g = 0; g < active.size(); ++g)
        active[g] = norm_of(groups->members(g), z) > 0.0;
    std::size_t largest = 0;
    for (std::size_t g = 0; g < groups->n_groups(); ++g)
        largest = std::max(largest, groups->members(g).size());
    b.resize(static_cast<Index>(largest));
    c.resize(static_cast<Index>(largest));
}

void CompositeModel::Work::move(Index j, double to) {
    const double change = to - z(j);
    if (change == 0.0) return;
    r.noalias() += change * h.col(j);
    z(j) = to;
}

/// Soft threshold. A coordinate without curvature stays where it is, unless zero is optimal.
void CompositeModel::Work::update_coordinate(Index j, double weight) {
    const double a = diagonal(j);
    const bool curved = a > flat * diagonal.maxCoeff();
    const double pull = (curved ? a * z(j) : 0.0) - r(j);
    const double left = std::abs(pull) - weight;
    if (left <= 0.0 && weight > 0.0)
        move(j, 0.0);
    else if (curved)
        move(j, std::copysign(left, pull) / a);
}

void CompositeModel::Work::update_group(std::size_t g) {
    const auto members = groups->members(g);
    const double weight = groups->weight(g);
    if (members.size() == 1) {
        update_coordinate(members[0], weight);
        active[g] = z(members[0]) != 0.0;
        return;
    }
    const auto m = static_cast<Index>(members.size());
    auto pull = b.head(m);
    for (Index i = 0; i < m; ++i) {
        pull(i) = -r(members[static_cast<std::size_t>(i)]);
        if (!active[g]) continue;
        for (const Index k : members) pull(i) += h(members[static_cast<std::size_t>(i)], k) * z(k);
    }
    if (!(pull.norm() > weight)) {
        if (active[g])
            for (const Index j : members) move(j, 0.0);
        active[g] = false;
        return;
    }
    Spectrum& spectrum = spectra[g];
    if (spectrum.values.size() == 0) {
        MatrixXd block(m, m);
        for (Index j = 0; j < m; ++j)
            for (Index i = 0; i < m; ++i)
                block(i, j) =
                    h(members[static_cast<std::size_t>(i)], members[static_cast<std::size_t>(j)]);
        const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(block);
        const double largest = solver.eigenvalues().maxCoeff();
        positive_curvature = positive_curvature && largest > 0.0 &&
                             solver.eigenvalues().minCoeff() >= -rounding_damping * largest;
        spectrum.values = solver.eigenvalues().cwiseMax(flat * std::abs(largest));
        spectrum.vectors = solver.eigenvectors();
    }
    if (!(spectrum.values.maxCoeff() > 0.0)) return;
    auto rotated = c.head(m);
    rotated.noalias() = spectrum.vectors.transpose() * pull;
    const double t = secular_root(spectrum.values, rotated.data(), weight);
    for (Index i = 0; i < m; ++i) rotated(i) *= t / (spectrum.values(i) * t + weight);
    pull.noalias() = spectrum.vectors * rotated;
    for (Index i = 0; i < m; ++i) move(members[static_cast<std::size_t>(i)], pull(i));
    active[g] = norm_of(members, z) > 0.0;
}

void CompositeModel::Work::sweep(bool all) {
    for (const Index j : others) update_coordinate(j, 0.0);
    for (std::size_t g = 0; g < groups->n_groups(); ++g)
        if (all || active[g]) update_group(g);
}

double CompositeModel::Work::residual_of(const VectorXd& at, const VectorXd& quadratic_gradient) {
    scratch = quadratic_gradient;
    groups->min_norm_subgradient(span_of(at), span_of(scratch));
    const double floor = flat * std::max(diagonal.maxCoeff(), 0.0);
    double sum = 0.0;
    for (Index j = 0; j < scratch.size(); ++j)
        if (diagonal(j) > floor) sum += scratch(j) * scratch(j) / diagonal(j);
    return std::sqrt(sum);
}

/// sum_g w (||x_g|| - ||z_g||) - s'(x - z), s = -r the subgradient of the norms at the minimiser:
/// w ||x_g|| (1 - cos(x_g, z_g)) where z_g is not zero, and nothing where x_g is.
double CompositeModel::Work::bregman_distance() const {
    double sum = 0.0;
    for (std::size_t g = 0; g < groups->n_groups(); ++g) {
        const auto members = groups->members(g);
        const double length = norm_of(members, x);
        if (length == 0.0) continue;
        const double there = norm_of(members, z);
        double part = 0.0;
        for (const Index j : members) {
            const double turn = there > 0.0 ? x(j) / length - z(j) / there : 0.0;
            part += there > 0.0 ? 0.5 * groups->weight(g) * length * turn * turn : r(j) * x(j);
        }
        sum += there > 0.0 ? part : std::max(0.0, groups->weight(g) * length + part);
    }
    return sum;
}

/// Gradient, curvature and Newton step on the coordinates that are not zero, where the model is
/// smooth.
bool CompositeModel::Work::set_face() {
    face.assign(others.begin(), others.end());
    for (std::size_t g = 0; g < active.size(); ++g)
        if (active[g])
            face.insert(face.end(), groups->members(g).begin(), groups->members(g).end());
    const auto n = static_cast<Index>(face.size());
    if (n == 0) return false;
    face_curvature.resize(n, n);
    face_gradient.resize(n);
    for (Index k = 0; k < n; ++k) {
        const Index j = face[static_cast<std::size_t>(k)];
        face_gradient(k) = r(j);
        for (Index i = 0; i < n; ++i)
            face_curvature(i, k) = h(face[static_cast<std::size_t>(i)], j);
    }
    auto first = static_cast<Index>(others.size());
    for (std::size_t g = 0; g < active.size(); ++g) {
        if (!active[g]) continue;
        const auto members = groups->members(g);
        const auto m = static_cast<Index>(members.size());
        const double length = norm_of(members, z);
        const double weight = groups->weight(g);
        for (Index k = 0; k < m; ++k) {
            const double along = z(members[static_cast<std::size_t>(k)]) / length;
            face_gradient(first + k) += weight * along;
            if (m == 1) break;
            for (Index i = 0; i < m; ++i)
                face_curvature(first + i, first + k) -=
                    weight / length * along * (z(members[static_cast<std::size_t>(i)]) / length);
            face_curvature(first + k, first + k) += weight / length;
        }
        first += m;
    }

    // Unit diagonal, and damping where the face is singular to rounding.
    face_step = face_curvature.diagonal();
    for (Index i = 0; i < n; ++i)
        face_step(i) = face_step(i) > 0.0 ? 1.0 / std::sqrt(face_step(i)) : 0.0;
    face_curvature = face_step.asDiagonal() * face_curvature * face_step.asDiagonal();
    for (Index i = 0; i < n; ++i)
        if (face_step(i) == 0.0) face_curvature(i, i) = 1.0;
    Eigen::LLT<MatrixXd> factor(face_curvature);
    double damping = 1e-14;
    for (; factor.info() != Eigen::Success && damping < 1e3; damping *= 10.0) {
        face_curvature.diagonal().array() += damping;
        factor.compute(face_curvature);
    }
    positive_curvature = positive_curvature && damping <= rounding_damping;
    face_gradient = face_gradient.cwiseProduct(face_step);
    factor.solveInPlace(face_gradient);
    face_step = -face_step.cwiseProduct(face_gradient);
    return face_step.allFinite();
}

/// Change of the model along the Newton step, left in `face_change` and `product` = H change.
/// Groups of one stop at zero instead of changing sign.
double CompositeModel::Work::change_along(double length) {
    const auto n = static_cast<Index>(face.size());
    const auto n_others = static_cast<Index>(others.size());
    face_change = length * face_step;
    double norms = 0.0;
    Index k = n_others;
    for (std::size_t g = 0; g < active.size(); ++g) {
        if (!active[g]) continue;
        const auto members = groups->members(g);
        double squares = 0.0;
        for (const Index j : members) {
            double to = z(j) + face_change(k);
            if (members.size() == 1 && to * z(j) <= 0.0) {
                to = 0.0;
                face_change(k) = -z(j);
            }
            squares += to * to;
            ++k;
        }
        norms += groups->weight(g) * (std::sqrt(squares) - norm_of(members, z));
    }
    product.setZero(z.size());
    double change = norms;
    for (Index i = 0; i < n; ++i) {
        const Index j = face[static_cast<std::size_t>(i)];
        if (face_change(i) != 0.0) product.noalias() += face_change(i) * h.col(j);
    }
    for (Index i = 0; i < n; ++i) {
        const Index j = face[static_cast<std::size_t>(i)];
        change += face_change(i) * (r(j) + 0.5 * product(j));
    }
    return change;
}

/// One damped Newton step on the face. Returns whether it moved.
bool CompositeModel::Work::newton_on_face() {
    if (!set_face()) return false;
    const auto n = static_cast<Index>(face.size());
    double size = 0.0;
    for (Index k = 0; k < n; ++k)
        size += std::abs(r(face[static_cast<std::size_t>(k)]) * face_step(k));
    const double noise = 10.0 * epsilon * size;
    bool accepted = false;
    for (double length = 1.0; !accepted && length > 1e-3; length *= 0.5)
        accepted = change_along(length) <= noise;
    if (!accepted) return false;
    for (Index k = 0; k < n; ++k) {
        const Index j = face[static_cast<std::size_t>(k)];
        z(j) = face_change(k) == -z(j) ? 0.0 : z(j) + face_change(k);
    }
    r += product;
    for (std::size_t g = 0; g < active.size(); ++g)
        if (active[g]) active[g] = norm_of(groups->members(g), z) > 0.0;
    return true;
}

CompositeModel::Solution CompositeModel::minimise(const Penalty& penalty, std::span<const double> x,
                                                  const Evaluation& at_x, double tolerance) {
    Work& w = *work_;
    w.set(penalty, x, at_x);
    Solution solution;
    solution.residual = w.residual_of(w.x, w.gradient);
    const double target = std::max(tolerance, sufficient * solution.residual);
    double best = std::numeric_limits<double>::infinity();
    int stalls = 0;
    for (int round = 0; round < max_rounds && stalls < max_stalls; ++round) {
        w.sweep(true);
        double residual = w.residual_of(w.z, w.r);
        for (int i = 0; i < active_sweeps && residual > target; ++i) {
            w.sweep(false);
            const double before = std::exchange(residual, w.residual_of(w.z, w.r));
            if (i >= 2 && residual > worthwhile * before) break;
        }
        for (int i = 0; i < newton_steps && residual > target && w.newton_on_face(); ++i)
            residual = w.residual_of(w.z, w.r);
        if (residual <= target) break;
        stalls = residual < 0.5 * best ? 0 : stalls + 1;
        best = std::min(best, residual);
    }
    w.scratch = w.z - w.x;
    w.product.noalias() = w.h * w.scratch;
    const double square = w.scratch.dot(w.product);
    solution.positive_curvature =
        w.positive_curvature && square >= -rounding_damping * w.scratch.cwiseAbs2().dot(w.diagonal);
    solution.decrement = std::sqrt(std::max(0.0, square));
    solution.twice_decrease = std::max(0.0, square) + 2.0 * w.bregman_distance();
    solution.change =
        w.gradient.dot(w.scratch) + penalty.groups().value(minimiser()) - penalty.groups().value(x);
    return solution;
}

std::span<const double> CompositeModel::minimiser() const {
    return span_of(std::as_const(work_->z));
}

double CompositeModel::residual(const Penalty& penalty, std::span<const double> x,
                                std::span<const double> gradient) const {
    Work& w = *work_;
    const auto n = static_cast<Index>(x.size());
    w.z = Eigen::Map<const VectorXd>(x.data(), n);
    w.r = Eigen::Map<const VectorXd>(gradient.data(), n);
    penalty.add_gradient(x, span_of(w.r));
    return w.residual_of(w.z, w.r);
}

}  // namespace spikeglm
