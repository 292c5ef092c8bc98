#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "construct.hpp"
#include "output_losses.hpp"
#include "small_matrix.hpp"

namespace spikeglm {
namespace {

/// Bayes' rule on a grid: spikeglm/online_decoding.h has the formulas.
class Grid {
public:
    explicit Grid(const spikeglm_grid_description& given)
        : losses_(given.observations),
          n_rows_(given.n_rows),
          n_columns_(given.n_columns),
          eta_(losses_.size()) {
        if (n_rows_ < 1 || n_columns_ < 1 || n_rows_ > (std::size_t{1} << 31) / n_columns_ ||
            given.tuning == nullptr)
            throw std::invalid_argument(
                "a grid has `tuning` for at least one point, and at most 2^31 points.");
        const std::size_t n = n_rows_ * n_columns_;
        tuning_.assign(given.tuning, given.tuning + n * losses_.size());
        row_transition_ = transition_of(given.row_transition, n_rows_, "row_transition");
        column_transition_ =
            transition_of(given.column_transition, n_columns_, "column_transition");
        excluded_.assign(n, false);
        std::size_t n_left = 0;
        for (std::size_t g = 0; g < n; ++g) {
            for (std::size_t o = 0; o < losses_.size(); ++o) {
                const double value = tuning_[g * losses_.size() + o];
                if (std::isinf(value))
                    throw std::invalid_argument("`tuning` must not be infinite.");
                excluded_[g] = excluded_[g] || std::isnan(value);
            }
            n_left += !excluded_[g];
        }
        if (n_left == 0) throw std::invalid_argument("`tuning` excludes all places.");
        prior_.assign(n, 1.0);
        if (given.prior != nullptr) prior_ = checked(given.prior, n, "prior");
        double total = 0.0;
        for (std::size_t g = 0; g < n; ++g) {
            if (prior_[g] < 0.0) throw std::invalid_argument("`prior` must not be negative.");
            if (excluded_[g]) prior_[g] = 0.0;
            total += prior_[g];
        }
        if (!(total > 0.0)) throw std::invalid_argument("`prior` is zero at all places.");
        for (double& p : prior_) p /= total;
        moved_.resize(n);
        reset();
    }

    void reset() noexcept { posterior_ = prior_; }

    int push(const double* base, const double* y, double* out) noexcept {
        move();
        losses_.observe(y, base);
        const std::size_t n_outputs = losses_.size();
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t g = 0; g < posterior_.size(); ++g) {
            if (posterior_[g] <= 0.0) continue;
            for (std::size_t o = 0; o < n_outputs; ++o)
                eta_[o] = base[o] + tuning_[g * n_outputs + o];
            moved_[g] = losses_.evaluate(eta_.data(), Curvature::none) - std::log(posterior_[g]);
            least = std::min(least, moved_[g]);
        }
        // Where the data are impossible everywhere, they say nothing.
        const bool informed = std::isfinite(least);
        double total = 0.0;
        for (std::size_t g = 0; g < posterior_.size(); ++g) {
            if (informed && posterior_[g] > 0.0) posterior_[g] = std::exp(least - moved_[g]);
            total += posterior_[g];
        }
        for (std::size_t g = 0; g < posterior_.size(); ++g) {
            posterior_[g] /= total;
            out[g] = posterior_[g];
        }
        return SPIKEGLM_OK;
    }

private:
    static std::vector<double> transition_of(const double* values, std::size_t n,
                                             const char* what) {
        if (values == nullptr) return {};
        std::vector<double> matrix = checked(values, n * n, what);
        for (std::size_t i = 0; i < n; ++i) {
            double total = 0.0;
            for (std::size_t j = 0; j < n; ++j) {
                if (matrix[i * n + j] < 0.0) total = -1.0;
                if (total < 0.0) break;
                total += matrix[i * n + j];
            }
            if (!(std::abs(total - 1.0) < 1e-6))
                throw std::invalid_argument("each row of `" + std::string(what) +
                                            "` must be probabilities that add up to one.");
        }
        return matrix;
    }

    /// One dimension after the other. Nothing moves to a place that is excluded.
    void move() noexcept {
        if (!row_transition_.empty()) {
            std::fill(moved_.begin(), moved_.end(), 0.0);
            for (std::size_t i = 0; i < n_rows_; ++i)
                for (std::size_t k = 0; k < n_rows_; ++k)
                    for (std::size_t j = 0; j < n_columns_; ++j)
                        moved_[k * n_columns_ + j] +=
                            row_transition_[i * n_rows_ + k] * posterior_[i * n_columns_ + j];
            posterior_.swap(moved_);
        }
        if (!column_transition_.empty()) {
            std::fill(moved_.begin(), moved_.end(), 0.0);
            for (std::size_t i = 0; i < n_rows_; ++i)
                for (std::size_t j = 0; j < n_columns_; ++j)
                    for (std::size_t k = 0; k < n_columns_; ++k)
                        moved_[i * n_columns_ + k] +=
                            column_transition_[j * n_columns_ + k] * posterior_[i * n_columns_ + j];
            posterior_.swap(moved_);
        }
        double total = 0.0;
        for (std::size_t g = 0; g < posterior_.size(); ++g) {
            if (excluded_[g]) posterior_[g] = 0.0;
            total += posterior_[g];
        }
        // All of it moved to where it cannot be: start anew.
        if (!(total > 0.0)) posterior_ = prior_;
    }

    OutputLosses losses_;
    std::size_t n_rows_, n_columns_;
    std::vector<double> tuning_, row_transition_, column_transition_, prior_, posterior_, moved_;
    std::vector<bool> excluded_;
    std::vector<double> eta_;
};

}  // namespace
}  // namespace spikeglm

struct spikeglm_grid {
    spikeglm::Grid grid;
};

extern "C" {

int spikeglm_grid_create(const spikeglm_grid_description* description, spikeglm_grid** grid,
                         char* message, size_t message_size) {
    return spikeglm::construct(grid, message, message_size, [&] {
        if (description == nullptr) throw std::invalid_argument("the description is NULL.");
        return std::make_unique<spikeglm_grid>(spikeglm_grid{spikeglm::Grid(*description)});
    });
}
void spikeglm_grid_free(spikeglm_grid* grid) { delete grid; }
void spikeglm_grid_reset(spikeglm_grid* grid) { grid->grid.reset(); }
int spikeglm_grid_push(spikeglm_grid* grid, const double* eta, const double* y, double* posterior) {
    return grid->grid.push(eta, y, posterior);
}

}  // extern "C"
