#include "spikeglm/solver/penalty.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace spikeglm {
namespace {

std::size_t index(std::ptrdiff_t j) { return static_cast<std::size_t>(j); }

double norm(std::span<const std::ptrdiff_t> members, std::span<const double> x) {
    if (members.size() == 1) return std::abs(x[index(members[0])]);
    double largest = 0.0;  // no overflow or underflow of the squares
    for (const std::ptrdiff_t j : members) largest = std::max(largest, std::abs(x[index(j)]));
    if (!(largest > 0.0)) return 0.0;
    double sum = 0.0;
    for (const std::ptrdiff_t j : members) {
        const double ratio = x[index(j)] / largest;
        sum += ratio * ratio;
    }
    return largest * std::sqrt(sum);
}

}  // namespace

GroupNorms::GroupNorms(std::span<const std::ptrdiff_t> begin,
                       std::span<const std::ptrdiff_t> members, std::span<const double> weights) {
    if (begin.size() != weights.size() + 1 || begin.front() != 0 ||
        index(begin.back()) != members.size() || !std::is_sorted(begin.begin(), begin.end()))
        throw std::invalid_argument("the beginnings of " + std::to_string(weights.size()) +
                                    " groups must be ascending, from 0 to the " +
                                    std::to_string(members.size()) + " members.");
    std::vector<std::ptrdiff_t> sorted(members.begin(), members.end());
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end())
        throw std::invalid_argument("coordinate " + std::to_string(*twice) +
                                    " is in two groups; expected at most one.");
    if (!sorted.empty() && sorted.front() < 0)
        throw std::invalid_argument("coordinate " + std::to_string(sorted.front()) +
                                    " in a group; expected 0 or more.");
    for (std::size_t g = 0; g < weights.size(); ++g) {
        if (!(weights[g] >= 0.0) || std::isinf(weights[g]))
            throw std::invalid_argument("the weight of group " + std::to_string(g) + " is " +
                                        std::to_string(weights[g]) +
                                        "; expected a finite number, zero or above.");
        if (weights[g] == 0.0 || begin[g] == begin[g + 1]) continue;
        members_.insert(members_.end(), members.begin() + begin[g], members.begin() + begin[g + 1]);
        begin_.push_back(static_cast<std::ptrdiff_t>(members_.size()));
        weights_.push_back(weights[g]);
    }
}

GroupNorms GroupNorms::singletons(std::span<const double> weights) {
    std::vector<std::ptrdiff_t> count(weights.size() + 1);
    for (std::size_t j = 0; j < count.size(); ++j) count[j] = static_cast<std::ptrdiff_t>(j);
    return {count, std::span(count).first(weights.size()), weights};
}

double GroupNorms::value(std::span<const double> x) const {
    double sum = 0.0;
    for (std::size_t g = 0; g < n_groups(); ++g) sum += weights_[g] * norm(members(g), x);
    return sum;
}

void GroupNorms::prox(std::span<const double> steps, std::span<double> x) const {
    for (std::size_t g = 0; g < n_groups(); ++g) {
        const auto group = members(g);
        const double step = steps.size() == 1 ? steps[0] : steps[index(group[0])];
        const double length = norm(group, x);
        const double left = length - step * weights_[g];
        for (const std::ptrdiff_t j : group)
            x[index(j)] = left > 0.0 ? x[index(j)] * (left / length) + 0.0 : 0.0;
    }
}

void GroupNorms::min_norm_subgradient(std::span<const double> x, std::span<double> gradient) const {
    for (std::size_t g = 0; g < n_groups(); ++g) {
        const auto group = members(g);
        const double length = norm(group, x);
        if (length > 0.0) {
            for (const std::ptrdiff_t j : group)
                gradient[index(j)] += weights_[g] * (x[index(j)] / length);
            continue;
        }
        const double slope = norm(group, gradient);
        const double left = slope - weights_[g];
        for (const std::ptrdiff_t j : group)
            gradient[index(j)] = left > 0.0 ? gradient[index(j)] * (left / slope) : 0.0;
    }
}

std::vector<std::ptrdiff_t> GroupNorms::others(std::size_t size) const {
    std::vector<bool> grouped(size, false);
    for (const std::ptrdiff_t j : members_) grouped[index(j)] = true;
    std::vector<std::ptrdiff_t> result;
    for (std::size_t j = 0; j < size; ++j)
        if (!grouped[j]) result.push_back(static_cast<std::ptrdiff_t>(j));
    return result;
}

GroupNorms GroupNorms::restricted(std::span<const std::ptrdiff_t> chosen) const {
    std::ptrdiff_t size = 0;
    for (const std::ptrdiff_t j : members_) size = std::max(size, j + 1);
    std::vector<std::ptrdiff_t> position(index(size), -1);
    for (std::size_t i = 0; i < chosen.size(); ++i)
        if (chosen[i] < size) position[index(chosen[i])] = static_cast<std::ptrdiff_t>(i);
    std::vector<std::ptrdiff_t> begin = {0};
    std::vector<std::ptrdiff_t> kept;
    for (std::size_t g = 0; g < n_groups(); ++g) {
        for (const std::ptrdiff_t j : members(g))
            if (position[index(j)] >= 0) kept.push_back(position[index(j)]);
        begin.push_back(static_cast<std::ptrdiff_t>(kept.size()));
    }
    return {begin, kept, weights_};
}

double GroupPenalty::smooth_value(std::span<const double> x) const {
    double sum = 0.0;
    for (std::size_t j = 0; j < ridge_.size(); ++j) sum += ridge_[j] * x[j] * x[j];
    return 0.5 * sum;
}

void GroupPenalty::add_gradient(std::span<const double> x, std::span<double> gradient) const {
    for (std::size_t j = 0; j < ridge_.size(); ++j) gradient[j] += ridge_[j] * x[j];
}

void GroupPenalty::add_curvature(std::span<double> curvature) const {
    const std::size_t n = ridge_.size();
    for (std::size_t j = 0; j < n; ++j) curvature[j * n + j] += ridge_[j];
}

void GroupPenalty::add_diagonal(std::span<double> diagonal) const {
    for (std::size_t j = 0; j < ridge_.size(); ++j) diagonal[j] += ridge_[j];
}

double QuadraticPenalty::smooth_value(std::span<const double> x) const {
    double sum = 0.0;
    for (std::size_t j = 0; j < x.size(); ++j) {
        double product = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) product += matrix_[i + j * x.size()] * x[i];
        sum += x[j] * product;
    }
    return 0.5 * sum;
}

void QuadraticPenalty::add_gradient(std::span<const double> x, std::span<double> gradient) const {
    for (std::size_t j = 0; j < x.size(); ++j)
        for (std::size_t i = 0; i < x.size(); ++i) gradient[i] += matrix_[i + j * x.size()] * x[j];
}

void QuadraticPenalty::add_curvature(std::span<double> curvature) const {
    for (std::size_t i = 0; i < matrix_.size(); ++i) curvature[i] += matrix_[i];
}

void QuadraticPenalty::add_diagonal(std::span<double> diagonal) const {
    for (std::size_t j = 0; j < diagonal.size(); ++j)
        diagonal[j] += matrix_[j * (diagonal.size() + 1)];
}

}  // namespace spikeglm
