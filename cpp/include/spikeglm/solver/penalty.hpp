#pragma once
/// Penalties on the coefficients in the solver's coordinates, added to the objective:
///   smooth(x) + sum_g w_g ||x_g||_2
/// over disjoint groups g of coordinates. A lasso has groups of one, an elastic net ridge weights
/// besides. Yuan & Lin (2006), J. R. Stat. Soc. B 68, eq. 2.1; Zou & Hastie (2005), ibid. 67,
/// eq. 3.
///
/// Weights are those of the total: for a mean loss they are multiplied by the sum of the weights.

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace spikeglm {

/// sum_g w_g ||x_g||_2, the part with kinks. Coordinates in no group, or in one of weight zero, do
/// not appear. Storage and the cost of every function: linear in the number of members.
class GroupNorms {
public:
    GroupNorms() = default;

    /// Group g has the members begin[g] .. begin[g + 1]. Throws std::invalid_argument for weights
    /// that are negative or not finite and for a coordinate listed twice.
    GroupNorms(std::span<const std::ptrdiff_t> begin, std::span<const std::ptrdiff_t> members,
               std::span<const double> weights);

    /// A lasso: every coordinate is a group with its own weight.
    [[nodiscard]] static GroupNorms singletons(std::span<const double> weights);

    [[nodiscard]] bool empty() const { return weights_.empty(); }
    [[nodiscard]] std::size_t n_groups() const { return weights_.size(); }
    [[nodiscard]] std::span<const std::ptrdiff_t> members(std::size_t group) const {
        const auto first = static_cast<std::size_t>(begin_[group]);
        return std::span(members_).subspan(first,
                                           static_cast<std::size_t>(begin_[group + 1]) - first);
    }
    [[nodiscard]] double weight(std::size_t group) const { return weights_[group]; }

    [[nodiscard]] double value(std::span<const double> x) const;

    /// x becomes argmin_z sum_j (z_j - x_j)^2 / (2 step_j) + sum_g w_g ||z_g||, with one step for
    /// all coordinates or one each, equal within a group. Zeros are +0.0.
    void prox(std::span<const double> steps, std::span<double> x) const;

    /// A gradient of the smooth part becomes the element of least norm of that gradient plus the
    /// subdifferential at x: zero exactly where x is optimal.
    ///   x_g != 0:  g_g + w x_g / ||x_g||        x_g = 0:  g_g max(0, 1 - w / ||g_g||)
    void min_norm_subgradient(std::span<const double> x, std::span<double> gradient) const;

    /// Those of the coordinates 0 .. size - 1 that are in no group.
    [[nodiscard]] std::vector<std::ptrdiff_t> others(std::size_t size) const;

    /// The same norms of the chosen coordinates alone, the others held at zero.
    [[nodiscard]] GroupNorms restricted(std::span<const std::ptrdiff_t> chosen) const;

private:
    std::vector<std::ptrdiff_t> begin_ = {0};
    std::vector<std::ptrdiff_t> members_;
    std::vector<double> weights_;
};

class Penalty {
public:
    virtual ~Penalty() = default;
    [[nodiscard]] virtual double smooth_value(std::span<const double> x) const = 0;
    virtual void add_gradient(std::span<const double> x, std::span<double> gradient) const = 0;
    virtual void add_curvature(std::span<double> curvature) const = 0;
    /// The diagonal of the curvature alone.
    virtual void add_diagonal(std::span<double> diagonal) const = 0;

    [[nodiscard]] const GroupNorms& groups() const { return groups_; }
    /// Whether gradient and curvature of the whole penalty exist everywhere.
    [[nodiscard]] bool smooth() const { return groups_.empty(); }
    [[nodiscard]] double value(std::span<const double> x) const {
        return smooth_value(x) + groups_.value(x);
    }

protected:
    explicit Penalty(GroupNorms groups) : groups_(std::move(groups)) {}

private:
    GroupNorms groups_;
};

/// sum_j ridge_j x_j^2 / 2 + sum_g w_g ||x_g||. A ridge weight of zero leaves a coordinate free;
/// `ridge` may be empty.
class GroupPenalty final : public Penalty {
public:
    explicit GroupPenalty(std::vector<double> ridge, GroupNorms groups = {})
        : Penalty(std::move(groups)), ridge_(std::move(ridge)) {}
    [[nodiscard]] double smooth_value(std::span<const double> x) const override;
    void add_gradient(std::span<const double> x, std::span<double> gradient) const override;
    void add_curvature(std::span<double> curvature) const override;
    void add_diagonal(std::span<double> diagonal) const override;

private:
    std::vector<double> ridge_;
};

/// x' A x / 2 + sum_g w_g ||x_g|| for a symmetric positive semi-definite A, column-major.
class QuadraticPenalty final : public Penalty {
public:
    explicit QuadraticPenalty(std::vector<double> matrix, GroupNorms groups = {})
        : Penalty(std::move(groups)), matrix_(std::move(matrix)) {}
    [[nodiscard]] double smooth_value(std::span<const double> x) const override;
    void add_gradient(std::span<const double> x, std::span<double> gradient) const override;
    void add_curvature(std::span<double> curvature) const override;
    void add_diagonal(std::span<double> diagonal) const override;

private:
    std::vector<double> matrix_;
};

}  // namespace spikeglm
