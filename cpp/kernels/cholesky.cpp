#include "cholesky.hpp"

#include <Eigen/Cholesky>

namespace spikeglm {

bool cholesky_kernel(std::ptrdiff_t n, double* a) {
    Eigen::Map<Eigen::MatrixXd> matrix(a, n, n);
    const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> factor(matrix);
    return factor.info() == Eigen::Success;
}

void cholesky_solve_kernel(std::ptrdiff_t n, const double* factor, double* b) {
    const auto lower =
        Eigen::Map<const Eigen::MatrixXd>(factor, n, n).triangularView<Eigen::Lower>();
    Eigen::Map<Eigen::VectorXd> x(b, n);
    lower.solveInPlace(x);
    lower.transpose().solveInPlace(x);
}

}  // namespace spikeglm
