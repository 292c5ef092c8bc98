#pragma once
/// A fitted model that is evaluated bin by bin (spikeglm/online.h). Internal to src/online.
///
/// The terms are the same expressions that make features of whole recordings, bound to the inputs
/// of one bin; only convolutions are of a kind of their own. One row of features, then one product
/// with the weights, from which features that are zero are left out.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "spikeglm/backend/kernel_table.hpp"
#include "spikeglm/online.h"
#include "streaming_convolution.hpp"

namespace spikeglm {

/// Zeros, aligned as the product with the weights wants them.
template <class T>
class AlignedArray {
public:
    explicit AlignedArray(std::size_t size)
        : data_(static_cast<T*>(::operator new(size * sizeof(T), alignment))), size_(size) {
        std::fill_n(data_.get(), size, T(0));
    }
    [[nodiscard]] T* data() const { return data_.get(); }
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    static constexpr std::align_val_t alignment{couple_alignment};
    struct Delete {
        void operator()(T* data) const { ::operator delete(data, alignment); }
    };
    std::unique_ptr<T, Delete> data_;
    std::size_t size_;
};

/// The product of features and weights, in the precision in which weights are stored.
class Coupling {
public:
    virtual ~Coupling() = default;
    /// eta[o] = intercept[o] + offset + sum_j features[j] weights(j, o).
    virtual void multiply(std::span<const double> features, double offset,
                          double* eta) noexcept = 0;
};

class OnlineModel {
public:
    /// Throws std::invalid_argument, which says what is wrong; OutOfMemory.
    OnlineModel(const spikeglm_online_description& description, bool single_precision);

    [[nodiscard]] std::size_t n_inputs() const { return inputs_.size(); }
    [[nodiscard]] std::size_t n_outputs() const { return n_outputs_; }
    [[nodiscard]] std::span<const double> features() const { return features_; }
    [[nodiscard]] std::span<const double> linear_predictors() const { return eta_; }
    [[nodiscard]] std::size_t n_initial() const { return n_initial_; }
    [[nodiscard]] bool is_predictive() const { return predictive_; }

    void reset() noexcept;
    int push(const double* inputs, double offset, double* rates) noexcept;
    int next(const double* inputs, double offset, double* rates) noexcept;

private:
    struct LinkRun {
        int link;
        std::ptrdiff_t first;
        std::ptrdiff_t count;
    };

    ExpressionPtr leaf(const spikeglm_node& node, std::size_t index, std::size_t n_features,
                       bool single_precision);
    int take(const double* inputs, double& offset) noexcept;
    void predict(double offset, double* rates);

    std::vector<double> inputs_;  // of one bin, to which the expressions refer
    std::size_t n_outputs_;
    ExpressionPtr root_;  // null without terms
    std::vector<std::shared_ptr<StreamingConvolution>> convolutions_;
    std::vector<double> features_;
    std::vector<double> eta_;
    std::unique_ptr<Coupling> coupling_;
    std::vector<LinkRun> links_;
    std::size_t n_initial_ = 0;
    bool predictive_ = true;
    Workspace workspace_;
};

/// A model from the bytes of a file: model_file.cpp.
std::unique_ptr<OnlineModel> read_online_model(std::span<const std::byte> file,
                                               bool single_precision);

/// A file that is damaged, of another kind or of another version.
class InvalidFile : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace spikeglm
