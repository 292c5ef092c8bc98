// Fits a Poisson model to the counts of two conditions: the coefficient is log(6 / 2).
#include <cmath>
#include <cstdio>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/basis/all.hpp"
#include "spikeglm/basis/expression.hpp"
#include "spikeglm/glm/fit.hpp"
#include "spikeglm/glm/observation/all.hpp"
#include "spikeglm/glm/row_terms.hpp"
#include "spikeglm/solver/rank.hpp"

int main() {
    const double x[] = {0, 0, 1, 1};
    const double y[] = {1, 3, 5, 7};
    const spikeglm::DenseDesign design({x, spikeglm::ElementType::f64, 4, 1, sizeof(double)});
    const spikeglm::FitProblem problem{.sample = {.y = y, .weight = {}, .offset = {}}};
    const spikeglm::FitOptions options{.loss = spikeglm::select_loss("Poisson", "exp")};
    const auto result = spikeglm::fit(design, {&problem, 1}, options).front();
    const auto config = spikeglm::config();
    std::printf("spikeglm %s, kernels %s from %s\ncoefficient %.10f\n", config.version.c_str(),
                config.isa.c_str(), config.kernel_path.c_str(), result.coef[0]);
    return std::abs(result.coef[0] - std::log(3.0)) < 1e-9 ? 0 : 1;
}
